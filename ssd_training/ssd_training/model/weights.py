"""Weights: the pretrained archives, keras.applications' ImageNet weights, our own files."""

from collections.abc import Mapping, Set
import logging
from pathlib import Path
import tempfile
from urllib.error import URLError
import zipfile

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from ssd_training.errors import WeightsError
from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.ssd import BATCH_NORM_EPSILON

IMAGENET = 'imagenet'
SUFFIX = '.weights.h5'
_BOX_ORDER = (1, 0, 3, 2)  # (ty, tx, th, tw) in the archives -> (tx, ty, tw, th)

Arrays = dict[str, NDArray[np.float32]]

logger = logging.getLogger(__name__)


def load_pretrained(model: keras.Model, weights: str | None, *, width_mult: float) -> None:
    """
    Fill a network with what it starts from.

    :param model: from build_ssd; changed
    :param weights: imagenet, an .npz file, a run's *.weights.h5, or None for nothing
    :param width_mult: of the model
    :raises WeightsError: when the weights can not be had or do not fit
    """
    if weights is None:
        return
    if weights == IMAGENET:
        _load_imagenet(model, width_mult)
    elif weights.endswith(SUFFIX):
        load_weights(model, Path(weights))
    else:
        load_archive(model, Path(weights))


def load_archive(model: keras.Model, path: Path) -> None:
    """
    Fill a network from an archive whose BatchNorm is folded into kernels and biases.

    Each `<layer>/kernel` comes with `<layer>/bias`, and with `<layer>/bn_mean` and
    `<layer>/bn_var` where the network has BatchNorm behind the layer: statistics of the raw
    convolution. gamma and beta are chosen so that inference is what was folded, and training with
    batch statistics starts from it, too. Layers that the archive does not hold stay as they are.

    :param model: from build_ssd; changed only when everything fits
    :param path: the .npz file
    :raises WeightsError: when the file can not be read, or arrays do not fit the model
    """
    arrays = _read_archive(path)
    values: dict[str, list[NDArray[np.float32]]] = {}
    findings = []
    names = sorted({key.partition('/')[0] for key in arrays})
    for name in names:
        try:
            values |= _layer_values(name, arrays)
        except KeyError as error:
            findings.append(f'{path}: {name}: has no {error.args[0]}; the archive is incomplete')
    present = {layer.name: layer for layer in model.layers if layer.weights}
    findings += [f'{path}: {finding}' for finding in _misfits(values, present)]
    if findings:
        raise WeightsError(findings)
    for name in values.keys() & present.keys():
        present[name].set_weights(values[name])
    _log_coverage(path, values.keys(), present.keys())


def save_weights(model: keras.Model, path: Path) -> None:
    """
    Write the weights of a network, aside first.

    :param model: from build_ssd
    :param path: a file *.weights.h5
    """
    aside = path.with_name(f'.{path.name.removesuffix(SUFFIX)}.partial{SUFFIX}')
    model.save_weights(aside)
    aside.replace(path)


def load_weights(model: keras.Model, path: Path) -> None:
    """
    Read weights that save_weights wrote; all of them, and nothing more.

    :param model: from build_ssd; changed
    :param path: a file *.weights.h5
    :raises WeightsError: when the file can not be read, or holds more, less or other variables
    """
    found = _layout(path)
    with tempfile.TemporaryDirectory() as scratch:
        template = Path(scratch, 'template.weights.h5')
        model.save_weights(template)
        expected = _layout(template)
    findings = [
        f'{path}: {name}: received {_shape_text(found.get(name))}, the model has '
        f'{_shape_text(expected.get(name))}; the weights are of another architecture'
        for name in sorted(found.keys() | expected.keys())
        if found.get(name) != expected.get(name)
    ]
    if findings:
        raise WeightsError(findings)
    model.load_weights(path)


def _load_imagenet(model: keras.Model, width_mult: float) -> None:
    try:
        source = keras.applications.MobileNetV2(
            input_shape=(224, 224, 3), include_top=False, weights=IMAGENET, alpha=width_mult
        )
    # keras.utils.get_file raises a bare Exception around the network's error.
    except Exception as error:
        if not isinstance(error, OSError | URLError) and 'URL fetch failure' not in str(error):
            raise
        raise WeightsError(
            [
                f'backbone.weights: imagenet: can not be downloaded ({error}); without a network '
                f'give a file (backbone.weights=DIR/mobilenetv2_imagenet.npz) or null'
            ]
        ) from error
    for layer in source.layers:
        if layer.weights:
            model.get_layer(layer.name).set_weights(layer.get_weights())


def _read_archive(path: Path) -> Arrays:
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {key: archive[key].astype(np.float32) for key in archive.files}
    except (OSError, EOFError, ValueError, TypeError, zipfile.BadZipFile) as error:
        raise WeightsError(
            [f'{path}: can not be read as .npz ({error}); check the path, or get it again']
        ) from error
    if broken := sorted(key for key, array in arrays.items() if not np.isfinite(array).all()):
        raise WeightsError(f'{path}: {key}: holds NaN or infinity' for key in broken)
    return arrays


def _layer_values(name: str, arrays: Arrays) -> dict[str, list[NDArray[np.float32]]]:
    """Give the weights, in Keras' order, of a convolution and of the BatchNorm behind it."""
    kernel, bias = arrays[f'{name}/kernel'], arrays[f'{name}/bias']
    if f'{name}/bn_mean' not in arrays:
        if name.endswith('_box'):
            kernel, bias = _reorder_box_channels(kernel), _reorder_box_channels(bias)
        return {name: [kernel, bias]}
    mean, variance = arrays[f'{name}/bn_mean'], arrays[f'{name}/bn_var']
    gamma = np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
    return {name: [kernel], batch_norm_name(name): [gamma, bias + mean, mean, variance]}


def _reorder_box_channels(array: NDArray[np.float32]) -> NDArray[np.float32]:
    grouped = array.reshape(*array.shape[:-1], -1, len(_BOX_ORDER))
    return grouped[..., _BOX_ORDER].reshape(array.shape)


def _misfits(
    values: Mapping[str, list[NDArray[np.float32]]], present: Mapping[str, keras.Layer]
) -> list[str]:
    if not values.keys() & present.keys():
        return ['none of its layers is in the model']
    findings = []
    for name in sorted(values.keys() & present.keys()):
        received = [array.shape for array in values[name]]
        expected = [tuple(variable.shape) for variable in present[name].weights]
        if received != expected:
            findings.append(f'{name}: received shapes {received}; the model has {expected}')
    if findings:
        findings.append(
            f'{len(findings)} layers do not fit: such an archive fits backbone.width_mult 1.0, '
            f'and one with heads the priors and labels that it was made for'
        )
    return findings


def _log_coverage(path: Path, given: Set[str], present: Set[str]) -> None:
    logger.info('%s: filled %d of %d layers', path, len(given & present), len(present))
    if fresh := sorted(present - given):
        logger.info('random start: %d layers, %s ... %s', len(fresh), fresh[0], fresh[-1])
    if unused := sorted(given - present):
        logger.warning('not in the model: %d layers, such as %s', len(unused), unused[0])


def _layout(path: Path) -> dict[str, tuple[int, ...]]:
    """List the variables of a weights file with their shapes."""
    layout = {}

    def visit(name: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            layout[name] = item.shape

    try:
        with h5py.File(path, 'r') as file:
            file.visititems(visit)
    except OSError as error:
        raise WeightsError([f'{path}: can not be read as .weights.h5 ({error})']) from error
    return layout


def _shape_text(shape: tuple[int, ...] | None) -> str:
    return 'nothing' if shape is None else str(shape)
