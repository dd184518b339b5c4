"""The quantize step: calibrate, write both INT8 files, measure what they lost."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import partial
import json
import logging
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector.bundles.contents import CALIBRATION, INT8_CPU, MODEL, MODEL_FP16
from ssd_detector.preprocess import preprocess
from ssd_training.data.datasets import read_split, read_val_split
from ssd_training.data.images.records import ImageSource
from ssd_training.data.sampling import find_images, hash_images, load_images, sample_balanced
from ssd_training.deployment.build import Build, TRAINED_MODEL
from ssd_training.deployment.trained_model import read_trained_model, TrainedModel
from ssd_training.errors import DataError, ExportError
from ssd_training.experiments.data_schema import DataSettings
from ssd_training.model.quantized_ssd import CPU_GRIDS, Grids, TENSORRT_GRIDS
from ssd_training.quantization.accuracy import draw_measured, find_losses, measure_files
from ssd_training.quantization.bias_correction import measure_bias_shifts
from ssd_training.quantization.calibration import measure_ranges, Method
from ssd_training.quantization.int8_files import (
    CALIBRATED_OPS,
    FILE_NAMES,
    quantize_model,
    Target,
    TensorGrids,
)
from ssd_training.quantization.sensitivity import (
    add_costs,
    format_table,
    measure_sensitivity,
    write_html,
)
from ssd_training.quantization.trained_grids import find_trained_grids
from ssd_training.training.trained import load_quantized

_MAX_FLOAT_LAYERS = 8
_NUM_SENSITIVITY_IMAGES = 16
_NUM_TIMED_LAYERS = 10
_TRAINED_GRIDS: Mapping[Target, Grids] = {'cpu': CPU_GRIDS, 'trt': TENSORRT_GRIDS}

_WITHOUT_LABELS = '--calibration_images FOLDER takes photographs without labels'
_WITHOUT_SCORE = '--num_evaluated 0 leaves out what INT8 loses'

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class QuantizeOptions:
    """
    How to quantize.

    :param calibration_images: a folder; None takes a class-balanced sample of the training split
    :param num_calibration: images
    :param method: how ranges are found
    :param seed: of the sample
    :param num_evaluated: images that the loss is measured on, see draw_measured
    :param max_loss: allowed loss of mAP, in points (1 point is 0.01)
    :param float_nodes: layers that stay in float
    :param auto_exclude: keep the most sensitive layers in float until the loss is allowed
    """

    calibration_images: Path | None = None
    num_calibration: int = 200
    method: Method = 'percentile'
    seed: int = 0
    num_evaluated: int | None = None
    max_loss: float = 0.5
    float_nodes: tuple[str, ...] = ()
    auto_exclude: bool = False


@dataclass(frozen=True, eq=False)
class LearnedGrids:
    """
    What was learned from images, here or in training.

    :param sources: of the images, in the order of the draw; none when training saw them
    :param inputs: each (1, S, S, 3) float32
    :param grids: of each file
    """

    sources: Sequence[ImageSource]
    inputs: Sequence[NDArray[np.float32]]
    grids: Mapping[Target, TensorGrids]


def quantize(build: Build, options: QuantizeOptions) -> dict[str, float]:
    """
    Write the INT8 files and calibration.json.

    :param build: exported and converted
    :param options: see QuantizeOptions
    :return: metrics: mAP of each file, when it was measured
    :raises DataError: when images are missing or broken
    :raises ExportError: when surely more is lost than allowed; no INT8 file is left then
    """
    trained = read_trained_model(build.file(TRAINED_MODEL))
    config = trained.config
    if config.quantization is None:
        learned = calibrate(
            build.file(MODEL), options, data=config.data, size_px=config.input_size[0]
        )
    else:
        learned = _read_training(build, trained)
    with _way_out(_WITHOUT_SCORE):
        records = draw_measured(config.data, options.num_evaluated, calibrated=learned.sources)
    build.forget_from(INT8_CPU)
    measure = partial(
        measure_files,
        build,
        records=records,
        settings=config.eval,
        labels=config.data.labels,
    )
    measured = measure([MODEL, MODEL_FP16])
    losses: list[str] = []
    for float_nodes in _plan(build, learned, options):
        if losses:
            logger.info('%s; keeping %d layers in float', '; '.join(losses), len(float_nodes))
        _write_files(build, learned, float_nodes)
        measured |= measure(list(FILE_NAMES.values()))
        losses = find_losses(measured, config.eval, options.max_loss)
        if not losses:
            metrics = {f'{name}/mAP': accuracy.mean_ap for name, accuracy in measured.items()}
            _write_record(build, options, learned, float_nodes=float_nodes, metrics=metrics)
            return metrics
    build.forget_from(INT8_CPU)
    raise ExportError(losses)


def report_sensitivity(build: Build, options: QuantizeOptions) -> str:
    """
    Write sensitivity.html into the build folder.

    :param build: exported and converted
    :param options: how to calibrate
    :return: the table of the worst layers, as text
    :raises DataError: when images are missing or broken
    """
    config = read_trained_model(build.file(TRAINED_MODEL)).config
    learned = calibrate(build.file(MODEL), options, data=config.data, size_px=config.input_size[0])
    grids = learned.grids['cpu']
    images = learned.inputs[:_NUM_SENSITIVITY_IMAGES]
    rows = measure_sensitivity(build.file(MODEL), grids, images)
    timed = add_costs(rows[:_NUM_TIMED_LAYERS], build.file(MODEL), grids, images[0])
    path = build.path / 'sensitivity.html'
    write_html([*timed, *rows[_NUM_TIMED_LAYERS:]], path, build.deploy.model_name)
    return f'{format_table(timed)}\n{path}'


def calibrate(
    model_path: Path, options: QuantizeOptions, *, data: DataSettings, size_px: int
) -> LearnedGrids:
    """
    Choose images, read them with the core's own preprocessing, find ranges and bias shifts.

    :param model_path: the float32 ONNX file
    :param options: see QuantizeOptions
    :param data: the section `data` of the experiment
    :param size_px: side of the input
    :return: what was learned
    :raises DataError: when images are missing or broken
    """
    sources = _choose_images(data, options)
    inputs = [preprocess(image, size_px) for image in load_images(sources)]
    ranges = measure_ranges(model_path, inputs, method=options.method, op_types=CALIBRATED_OPS)
    logger.info('calibrated with %d images, %s', len(sources), options.method)
    shifts = measure_bias_shifts(model_path, TensorGrids(ranges), inputs)
    grids = TensorGrids(ranges, bias_shifts=shifts)
    return LearnedGrids(sources, inputs, dict.fromkeys(FILE_NAMES, grids))


def _read_training(build: Build, trained: TrainedModel) -> LearnedGrids:
    found = {}
    for target, grids in _TRAINED_GRIDS.items():
        quantized = load_quantized(
            trained.weights_path,
            trained.config.architecture,
            ema=trained.config.train.ema,
            grids=grids,
        )
        found[target] = find_trained_grids(quantized, build.file(MODEL), target=target)
    logger.info('%s: scales of the training', trained.training_run)
    return LearnedGrids((), (), found)


@contextmanager
def _way_out(without: str) -> Iterator[None]:
    """Tell who deploys without the data set which option does without it."""
    try:
        yield
    except DataError as error:
        raise DataError([*error.findings, f'without this data set: {without}']) from error


def _choose_images(data: DataSettings, options: QuantizeOptions) -> list[ImageSource]:
    if options.calibration_images is None:
        with _way_out(f'{_WITHOUT_LABELS}, {_WITHOUT_SCORE}'):
            records = read_split(data, data.train_split)
        sample = sample_balanced(records, options.num_calibration, options.seed)
        return [record.image for record in sample]
    try:
        tested = read_val_split(data) if data.val_split is not None else []
    except DataError as error:
        logger.warning('images are not compared with the validation split: %s', error.findings[0])
        tested = []
    return find_images(
        options.calibration_images,
        options.num_calibration,
        options.seed,
        excluded=[record.image.name for record in tested],
    )


def _write_files(build: Build, learned: LearnedGrids, float_nodes: Sequence[str]) -> None:
    for target, name in FILE_NAMES.items():
        aside = build.path / f'.{name}.{os.getpid()}'
        quantize_model(
            build.file(MODEL),
            aside,
            target=target,
            grids=learned.grids[target],
            float_nodes=float_nodes,
        )
        aside.replace(build.path / name)
        logger.info('%s: %d bytes', build.path / name, (build.path / name).stat().st_size)


def _plan(build: Build, learned: LearnedGrids, options: QuantizeOptions) -> Iterator[list[str]]:
    """List the layers that stay in float: first those asked for, then one more, and one more."""
    float_nodes = list(options.float_nodes)
    yield list(float_nodes)
    images = learned.inputs[:_NUM_SENSITIVITY_IMAGES]
    # Without images: a network that was trained for INT8 is trained further instead.
    if options.auto_exclude and images:
        rows = measure_sensitivity(build.file(MODEL), learned.grids['cpu'], images)
        for row in rows[: _MAX_FLOAT_LAYERS - len(float_nodes)]:
            float_nodes.append(row.layer)
            yield list(float_nodes)


def _write_record(
    build: Build,
    options: QuantizeOptions,
    learned: LearnedGrids,
    *,
    float_nodes: Sequence[str],
    metrics: dict[str, float],
) -> None:
    record: dict[str, Any] = {
        'method': options.method if learned.sources else 'training',
        'seed': options.seed,
        'images': [Path(source.name).name for source in learned.sources],
        'images_sha256': hash_images(learned.sources),
        'max_loss': options.max_loss,
        'num_evaluated': options.num_evaluated,
        'float_layers': list(float_nodes),
        'num_corrected_biases': len(learned.grids['trt'].bias_shifts),
        'metrics': metrics,
        'ranges': {
            name: asdict(found) for name, found in sorted(learned.grids['trt'].ranges.items())
        },
    }
    (build.path / CALIBRATION).write_text(json.dumps(record, indent=1), encoding='utf-8')
