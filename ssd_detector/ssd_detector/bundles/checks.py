"""Whether the files of a bundle are what its manifest says, and belong together."""

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from ssd_detector.backends.backend import BOXES_NAME, INPUT_NAME, SCORES_NAME
from ssd_detector.backends.onnxruntime import read_shapes, Shape
from ssd_detector.bundles.contents import (
    DEPLOY,
    LABELS,
    make_record,
    MANIFEST,
    Manifest,
    MODEL,
    PRIORS,
    read_deploy_config,
    read_labels,
)
from ssd_detector.bundles.labels import find_label_faults
from ssd_detector.errors import BackendError, ConfigError

_REQUIRED = (DEPLOY, LABELS, MODEL, PRIORS)


def find_bundle_faults(folder: Path, manifest: Manifest) -> Iterator[str]:
    """
    Look at files, sizes, hashes, labels, priors, thresholds and models.

    :param folder: the bundle's
    :param manifest: from read_manifest
    :return: a finding for everything that is wrong
    """
    yield from _check_files(folder, manifest)
    yield from _check_labels(folder / LABELS, manifest)
    yield from _check_priors(folder / PRIORS, manifest)
    yield from _check_config(folder / DEPLOY, manifest)
    for name in manifest.models:
        yield from _check_model(folder / name, manifest)


def _check_files(folder: Path, manifest: Manifest) -> Iterator[str]:
    for name in _REQUIRED:
        if name not in manifest.files:
            yield f'{folder / MANIFEST}: does not list {name}; export the bundle again'
    for name, record in manifest.files.items():
        file = folder / name
        if Path(name).name != name:
            yield f'{folder / MANIFEST}: {name} is no plain file name'
        elif not file.is_file():
            yield f'{file}: is missing; copy the whole bundle again'
        elif (found := make_record(file)) != record:
            yield (
                f'{file}: has sha256 {found.sha256[:12]}… and {found.size_bytes} bytes; the '
                f'manifest says {record.sha256[:12]}… and {record.size_bytes}; copy it again'
            )


def _check_labels(path: Path, manifest: Manifest) -> Iterator[str]:
    if not path.is_file():
        return
    try:
        labels = read_labels(path)
    except UnicodeDecodeError as error:
        yield f'{path}: is no UTF-8 text ({error})'
        return
    if len(labels) != manifest.num_classes:
        yield (
            f'{path}: has {len(labels)} labels; the model scores {manifest.num_classes} classes '
            f'(without the background); correct the list or export again'
        )
    yield from (f'{path}: {fault}' for fault in find_label_faults(labels))


def _check_priors(path: Path, manifest: Manifest) -> Iterator[str]:
    if not path.is_file():
        return
    try:
        shape = np.load(path, allow_pickle=False).shape
    except (OSError, ValueError) as error:
        yield f'{path}: can not be read ({error}); export the bundle again'
        return
    if shape != (manifest.num_priors, 4):
        yield f'{path}: has shape {shape}; the manifest says ({manifest.num_priors}, 4)'


def _check_config(path: Path, manifest: Manifest) -> Iterator[str]:
    if not path.is_file():
        return
    try:
        config = read_deploy_config(path)
    except ConfigError as error:
        yield from error.findings
        return
    size_px = config.deploy.input.size[0]
    if size_px != manifest.input_size_px:
        yield (
            f'{path}: deploy.input.size: {size_px} px; the model takes {manifest.input_size_px}; '
            f'the size belongs to the exported model and is not free'
        )
    try:
        config.deploy.post_processing.by_class(read_labels(path.parent / LABELS))
    except ConfigError as error:
        yield from (f'{path}: deploy.post_processing.{finding}' for finding in error.findings)
    except (OSError, UnicodeDecodeError):
        return  # Unreadable labels have a finding of their own.


def _check_model(path: Path, manifest: Manifest) -> Iterator[str]:
    """Compare what a model file takes and gives with what the manifest says."""
    if not path.is_file():
        return
    try:
        shapes = read_shapes(path)
    except BackendError as error:
        yield str(error)
        return
    size_px, num_priors = manifest.input_size_px, manifest.num_priors
    expected = {
        INPUT_NAME: (1, size_px, size_px, 3),
        BOXES_NAME: (1, num_priors, 4),
        SCORES_NAME: (1, num_priors, manifest.num_classes + 1),
    }
    # A free first dimension takes a batch of 1, too.
    received = {
        name: shape if isinstance(shape[0], int) else (1, *shape[1:])
        for name, shape in shapes.items()
        if shape
    }
    if received != expected:
        yield (
            f'{path}: has tensors {_describe(shapes)}; the manifest says {_describe(expected)}; '
            f'export the bundle again'
        )


def _describe(shapes: Mapping[str, Shape]) -> str:
    return ', '.join(f'{name} {list(shape)}' for name, shape in sorted(shapes.items()))
