"""A network gets the weights that its experiment names: `backbone.weights`."""

from collections.abc import Sequence, Set
import dataclasses
import re

import keras
import numpy as np
from numpy.typing import NDArray

from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.contents import MODEL
from ssd_training.errors import WeightsError
from ssd_training.experiments.architecture import Architecture
from ssd_training.model.onnx_weights import read_convolutions
from ssd_training.model.pretrained import fill, is_folded, Pretrained, Values
from ssd_training.model.quantized_ssd import quantizer_name
from ssd_training.model.ssd import is_class_head
from ssd_training.model.weights import fetch_imagenet, read_archive, read_saved
from ssd_training.runs.checkpoints import Arrays, Checkpoint, read_checkpoint, step_of
from ssd_training.runs.start_weights import find_start, Kind, read_labels, Start
from ssd_training.runs.state import average_weights

_ROWS = 'the experiment needs its own data.labels, in their order'
_DETECTORS = (
    'a run folder, *.weights.h5, ckpt-<step>.npz, the archive *.npz of a detector, a bundle, or '
    'released'
)
# As Keras keeps them; what quantizers have beside is found anew.
_VARIABLES = ('kernel', 'bias', 'gamma', 'beta', 'moving_mean', 'moving_variance')


def load_pretrained(
    model: keras.Model, architecture: Architecture, *, trained_statistics: Sequence[str]
) -> None:
    """
    Fill a network with what it starts from: `backbone.weights`.

    :param model: from build_ssd; changed
    :param architecture: that the network has
    :param trained_statistics: keys of the experiment that let statistics of BatchNorm train
    :raises WeightsError: when the weights can not be had or do not fit
    :raises CheckpointError: when they are a checkpoint that can not be read
    :raises BundleError: when they are a bundle that is damaged
    """
    start = find_start(architecture.backbone.weights)
    if start is None:
        return
    layer_names = {layer.name for layer in model.layers if layer.weights}
    pretrained = read_pretrained(start, architecture.backbone.width_mult, layer_names)
    if trained_statistics and is_folded(pretrained.values, layer_names):
        raise WeightsError(
            f'{key}: false, and {pretrained.origin} has no statistics of BatchNorm, from which a '
            f'training with them could start; set it to true'
            for key in trained_statistics
        )
    fill(model, pretrained, architecture.labels)


def load_detector(model: keras.Model, name: str, architecture: Architecture, *, key: str) -> None:
    """
    Fill a network with a trained one of the same layers and classes.

    :param model: from build_ssd; changed
    :param name: what backbone.weights takes, if it is a detector
    :param architecture: that the network has
    :param key: where it is named, for messages
    :raises WeightsError: when it can not be read, or is of other classes or another network
    :raises CheckpointError: when it is a checkpoint that can not be read
    :raises BundleError: when it is a bundle that is damaged
    """
    start = find_start(name, key=key)
    if start is None or start.kind is Kind.IMAGENET:
        raise WeightsError([f'{key}: {name}: is no trained detector; give {_DETECTORS}'])
    layer_names = {layer.name for layer in model.layers if layer.weights}
    pretrained = read_pretrained(start, architecture.backbone.width_mult, layer_names)
    # An archive of a backbone would do as a start.
    pretrained = dataclasses.replace(pretrained, is_whole=True)
    if pretrained.labels is not None and pretrained.labels != architecture.labels:
        raise WeightsError(
            [
                f'{key}: {name}: its classes are {", ".join(pretrained.labels)}; the experiment '
                f'has {", ".join(architecture.labels)}; name a detector of these'
            ]
        )
    if others := _class_heads_of_other_size(model, pretrained.values):
        raise WeightsError(
            [f'{key}: {name}: is of another number of classes ({", ".join(others)}: {_ROWS})']
        )
    fill(model, pretrained, architecture.labels)


def _class_heads_of_other_size(model: keras.Model, values: Values) -> list[str]:
    layers = {layer.name: layer for layer in model.layers if is_class_head(layer.name)}
    return sorted(
        name
        for name in values.keys() & layers.keys()
        if len(values[name][-1]) != layers[name].bias.shape[0]
    )


def read_pretrained(start: Start, width_mult: float, layer_names: Set[str]) -> Pretrained:
    """
    Read what a training starts from.

    :param start: from find_start
    :param width_mult: of the backbone, which decides which ImageNet weights are fetched
    :param layer_names: of the network that is to be filled
    :return: values by layer
    :raises WeightsError: when the weights can not be had
    :raises CheckpointError: when they are a checkpoint that can not be read
    :raises BundleError: when they are a bundle that is damaged
    """
    path = start.path
    if start.kind is Kind.IMAGENET:
        return Pretrained('imagenet', fetch_imagenet(width_mult))
    if start.kind is Kind.ARCHIVE:
        return Pretrained(str(path), read_archive(path), read_labels(start))
    if start.kind is Kind.SAVED:
        values = _without_quantizers(read_saved(path))
        return Pretrained(str(path), values, read_labels(start), is_whole=True)
    if start.kind is Kind.CHECKPOINT:
        return _read_checkpoint(str(path), read_checkpoint(path.parent, step_of(path.name) or 0))
    bundle = load_bundle(path)
    values = read_convolutions(bundle.model_path(MODEL), layer_names)
    return Pretrained(str(path), values, bundle.labels, is_whole=True)


def _read_checkpoint(origin: str, checkpoint: Checkpoint) -> Pretrained:
    labels = checkpoint.architecture.get('data.labels')
    values = _by_layer(average_weights(checkpoint))
    return Pretrained(origin, values, None if labels is None else tuple(labels), is_whole=True)


def _without_quantizers(values: Values) -> Values:
    """Leave the ranges of activations out: what starts from other weights finds its own."""
    return {
        name: arrays for name, arrays in values.items() if not name.endswith(quantizer_name(''))
    }


def _by_layer(weights: Arrays) -> Values:
    values: dict[str, list[NDArray[np.float32]]] = {}
    for variable in _VARIABLES:
        for path, array in weights.items():
            if match := re.fullmatch(rf'(\w+)/{variable}', path):
                values.setdefault(match[1], []).append(array)
    return values
