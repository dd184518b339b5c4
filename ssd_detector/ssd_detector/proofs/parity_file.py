"""The file parity.npz: read, checked against the model, written."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector.bundles.arrays import read_arrays
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import Manifest, PARITY
from ssd_detector.bundles.folder import largest_bytes
from ssd_detector.errors import BundleError
from ssd_detector.files import FileError, read_file
from ssd_detector.proofs.int8_parity import Int8Outputs
from ssd_detector.proofs.parity import Parity, Tolerance

# Of the arrays in the file, in the order of the fields of Int8Outputs.
_INT8_PARTS = ('image_indices', 'prior_indices', 'boxes', 'scores')
# A model runs on each of them before it serves.
_MOST_IMAGES = 64


def read_parity(bundle: Bundle) -> Parity:
    """
    Read parity.npz.

    :param bundle: from load_bundle
    :return: its content
    :raises BundleError: when it is missing or unreadable
    """
    path = bundle.path / PARITY
    if PARITY not in bundle.manifest.files:
        raise BundleError(
            [f'{path}: is not in the bundle; run python -m ssd_training.validate for it']
        )
    try:
        content = read_file(path, limit_bytes=largest_bytes(PARITY))
        parity = _from_arrays(read_arrays(content, limit_bytes=largest_bytes(PARITY)))
        _check_shapes(parity, bundle.manifest)
    except (FileError, KeyError, OSError, TypeError, ValueError) as error:
        raise BundleError([f'{path}: is no parity file ({error}); validate again']) from error
    return parity


def _from_arrays(arrays: Mapping[str, NDArray[Any]]) -> Parity:
    tolerances = {
        name.removeprefix('tolerance_'): Tolerance(*map(float, array))
        for name, array in arrays.items()
        if name.startswith('tolerance_')
    }
    names = [name.partition('/')[2] for name in arrays if name.startswith('boxes/')]
    return Parity(
        images_rgb=arrays['images_rgb'],
        boxes_normalized_xyxy=arrays['boxes'],
        scores=arrays['scores'],
        tolerances=tolerances,
        int8_outputs={
            name: Int8Outputs(*(arrays[f'{part}/{name}'] for part in _INT8_PARTS))
            for name in names
        },
    )


def _check_shapes(parity: Parity, manifest: Manifest) -> None:
    """Refuse arrays that do not belong to each other and to the model."""
    num_images = len(parity.images_rgb) if parity.images_rgb.ndim else 0
    size_px, num_priors = manifest.input_size_px, manifest.num_priors
    num_columns = manifest.num_classes + 1
    if not 1 <= num_images <= _MOST_IMAGES:
        raise ValueError(f'{num_images} images; expected 1 to {_MOST_IMAGES}')
    _check_array('images_rgb', parity.images_rgb, (num_images, size_px, size_px, 3), 'u')
    _check_array('boxes', parity.boxes_normalized_xyxy, (num_images, num_priors, 4), 'f')
    _check_array('scores', parity.scores, (num_images, num_priors, num_columns), 'f')
    for name, outputs in parity.int8_outputs.items():
        images, priors = outputs.image_indices, outputs.prior_indices
        num_rows = len(images) if images.ndim else 0
        if num_rows == 0:
            raise ValueError(f'{name} has no outputs')
        _check_array(name, outputs.boxes_normalized_xyxy, (num_rows, 4), 'f')
        _check_array(name, outputs.scores, (num_rows, num_columns), 'f')
        for indices, end in ((images, num_images), (priors, num_priors)):
            _check_array(name, indices, (num_rows,), 'i')
            if not 0 <= indices.min() <= indices.max() < end:
                raise ValueError(f'{name} has indices outside 0 to {end - 1}')


def _check_array(name: str, array: NDArray[Any], shape: tuple[int, ...], kind: str) -> None:
    if array.shape != shape or array.dtype.kind != kind:
        raise ValueError(f'{name} has {array.shape} {array.dtype}; the model takes {shape}')


def write_parity(path: Path, parity: Parity) -> None:
    """
    Write parity.npz.

    :param path: the file
    :param parity: its content
    """
    arrays: dict[str, Any] = {
        f'tolerance_{precision}': np.array([tolerance.box_px, tolerance.score])
        for precision, tolerance in parity.tolerances.items()
    }
    arrays |= {
        f'{part}/{name}': array
        for name, outputs in parity.int8_outputs.items()
        for part, array in zip(_INT8_PARTS, vars(outputs).values(), strict=True)
    }
    np.savez_compressed(
        path,
        images_rgb=parity.images_rgb,
        boxes=parity.boxes_normalized_xyxy,
        scores=parity.scores,
        **arrays,
    )
