"""Weights: the pretrained archives, keras.applications' ImageNet weights, our own files."""

from contextlib import suppress
import errno
from http.client import HTTPException
import os
from pathlib import Path
import tempfile
from urllib.error import URLError
import zipfile

import h5py
import keras
import numpy as np
from numpy.typing import NDArray

from ssd_training.errors import WeightsError
from ssd_training.experiments.model_schema import WEIGHTS_SUFFIX
from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.pretrained import Values
from ssd_training.model.ssd import BATCH_NORM_EPSILON

# Of a file of weights: names, shapes, alignment.
_OVERHEAD_BYTES = 2**21
_BOX_ORDER = (1, 0, 3, 2)  # (ty, tx, th, tw) in the archives -> (tx, ty, tw, th)

Arrays = dict[str, NDArray[np.float32]]


def read_archive(path: Path) -> Values:
    """
    Read an archive whose BatchNorm is folded into kernels and biases.

    Each `<layer>/kernel` comes with `<layer>/bias`, and with `<layer>/bn_mean` and
    `<layer>/bn_var` where the network has BatchNorm behind the layer: statistics of the raw
    convolution. gamma and beta are chosen so that inference is what was folded, and training with
    batch statistics starts from it, too.

    :param path: the .npz file
    :return: the values of convolutions and of BatchNorm
    :raises WeightsError: when the file can not be read or is incomplete
    """
    arrays = _read_archive(path)
    values: dict[str, list[NDArray[np.float32]]] = {}
    findings = []
    for name in sorted({key.partition('/')[0] for key in arrays}):
        try:
            values |= _layer_values(name, arrays)
        except KeyError as error:
            findings.append(f'{path}: {name}: has no {error.args[0]}; the archive is incomplete')
    if findings:
        raise WeightsError(findings)
    return values


def save_weights(model: keras.Model, path: Path) -> None:
    """
    Write the weights of a network, aside first.

    :param model: from build_ssd
    :param path: a file *.weights.h5
    :raises WeightsError: when it can not be written; what stood there before is as it was
    """
    aside = path.with_name(f'.{path.name.removesuffix(WEIGHTS_SUFFIX)}.partial{WEIGHTS_SUFFIX}')
    try:
        # HDF5 crashes, later, where it finds no room.
        _reserve(aside, model.count_params() * np.dtype(np.float32).itemsize)
        model.save_weights(aside)
        aside.replace(path)
    except OSError as error:
        with suppress(OSError):
            aside.unlink(missing_ok=True)
        raise WeightsError(
            [f'{path}: can not be written ({error}); check the folder and the room on its disk']
        ) from error


def _reserve(path: Path, size_bytes: int) -> None:
    with path.open('wb') as file:
        try:
            os.posix_fallocate(file.fileno(), 0, size_bytes + _OVERHEAD_BYTES)
        except OSError as error:
            # Not every file system can; there it shows when the weights are written.
            if error.errno not in (errno.EINVAL, errno.EOPNOTSUPP):
                raise


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


def read_saved(path: Path) -> Values:
    """
    Read weights that save_weights wrote, by the names of the layers; of any number of classes.

    :param path: a file *.weights.h5
    :return: the values of each layer that has some
    :raises WeightsError: when the file can not be read, or does not name its layers
    """
    values: dict[str, list[NDArray[np.float32]]] = {}
    try:
        with h5py.File(path, 'r') as file:
            for group in file.get('layers', {}).values():
                variables = group.get('vars', {})
                if len(variables) > 0:
                    # Keras numbers the variables of a layer.
                    order = sorted(variables, key=int)
                    values[variables.attrs['name']] = [variables[number][()] for number in order]
    except KeyError as error:
        raise WeightsError(
            [f'{path}: does not name its layers; an older Keras wrote it: write it anew']
        ) from error
    except OSError as error:
        raise WeightsError([f'{path}: can not be read as .weights.h5 ({error})']) from error
    return values


def fetch_imagenet(width_mult: float) -> Values:
    """
    Get MobileNetV2's ImageNet weights from keras.applications.

    :param width_mult: alpha
    :return: the values of each layer that has some
    :raises WeightsError: when they can not be downloaded
    """
    try:
        source = keras.applications.MobileNetV2(
            input_shape=(224, 224, 3), include_top=False, weights='imagenet', alpha=width_mult
        )
    # keras.utils.get_file raises a bare Exception around the network's error.
    except Exception as error:
        ours = (OSError, URLError, HTTPException)
        if not isinstance(error, ours) and 'URL fetch failure' not in str(error):
            raise
        raise WeightsError(
            [
                f'backbone.weights: imagenet: can not be downloaded ({error}); without a network '
                f'give released (the detector of this repository), a file '
                f'(backbone.weights=DIR/mobilenetv2_imagenet.npz) or null'
            ]
        ) from error
    return {layer.name: layer.get_weights() for layer in source.layers if layer.weights}


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
