"""Statistics of BatchNorm, which the published graph does not hold: measured on photographs."""

from pathlib import Path
import tempfile

import keras
import numpy as np

from ssd_detector.preprocess import preprocess
from ssd_training.command_line import CONFIG_ROOT
from ssd_training.data.sampling import find_images
from ssd_training.experiments.merge import load_experiment
from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.weights import Arrays
from ssd_training.runs.start_weights import COCO_ARCHIVE
from ssd_training.training.trained import load_float

_NUM_IMAGES = 1000
_BATCH_SIZE = 8
# Of the network whose layers the archive holds.
_EXPERIMENT = Path('experiments/exp002_ssdlite.yaml')


def measure_statistics(arrays: Arrays, photographs: Path) -> Arrays:
    """
    Measure mean and variance of what each convolution with BatchNorm gives, before its bias.

    :param arrays: of the archive with VOC's classes
    :param photographs: a folder; a thousand of it are drawn, always the same
    :return: `<layer>/bn_mean` and `<layer>/bn_var`, as read_archive takes them
    :raises DataError: when there is no photograph, or one can not be read
    """
    sources = find_images(photographs, _NUM_IMAGES, seed=0)
    network = _build(arrays)
    norms = [
        layer for layer in network.layers if isinstance(layer, keras.layers.BatchNormalization)
    ]
    before_norms = keras.Model(network.inputs, [norm.input for norm in norms])
    size_px = network.input_shape[1]
    counts = np.zeros(len(norms))
    sums, squares = ([np.zeros(norm.input.shape[-1]) for norm in norms] for _ in range(2))
    for start in range(0, len(sources), _BATCH_SIZE):
        batch = sources[start : start + _BATCH_SIZE]
        images = np.concatenate([preprocess(source.load(), size_px) for source in batch])
        for index, features in enumerate(before_norms.predict_on_batch(images)):
            rows = features.reshape(-1, features.shape[-1])
            counts[index] += len(rows)
            sums[index] += rows.sum(axis=0, dtype=np.float64)
            squares[index] += np.square(rows, dtype=np.float64).sum(axis=0)
    statistics: Arrays = {}
    convolutions = {batch_norm_name(name): name for name in _layer_names(arrays)}
    for norm, count, total, square in zip(norms, counts, sums, squares, strict=True):
        mean = total / count
        variance = np.maximum(square / count - mean**2, 0)
        name = convolutions[norm.name]
        statistics[f'{name}/bn_mean'] = mean.astype(np.float32)
        statistics[f'{name}/bn_var'] = variance.astype(np.float32)
    return statistics


def _build(arrays: Arrays) -> keras.Model:
    overrides = ['backbone.weights=null']
    config, _ = load_experiment(_EXPERIMENT, CONFIG_ROOT, overrides=overrides, environment={})
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, COCO_ARCHIVE)
        np.savez(path, allow_pickle=False, **arrays)
        return load_float(path, config.architecture, ema=config.train.ema)


def _layer_names(arrays: Arrays) -> set[str]:
    return {key.partition('/')[0] for key in arrays}
