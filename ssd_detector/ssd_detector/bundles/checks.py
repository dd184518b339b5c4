"""Whether the files of a bundle are what its manifest says, and belong together."""

from collections.abc import Iterator, Mapping
from pathlib import Path

from ssd_detector.backends.backend import BOXES_NAME, INPUT_NAME, SCORES_NAME
from ssd_detector.backends.onnxruntime import advise_version, read_shapes, Shape
from ssd_detector.bundles.arrays import read_array
from ssd_detector.bundles.contents import DEPLOY, LABELS, MANIFEST, Manifest, MODEL, PRIORS
from ssd_detector.bundles.folder import BundleFolder
from ssd_detector.bundles.labels import find_label_faults
from ssd_detector.bundles.model_file import find_unusual_parts
from ssd_detector.errors import BackendError, ConfigError
from ssd_detector.files import FileError

_REQUIRED = (DEPLOY, LABELS, MODEL, PRIORS)


def find_bundle_faults(folder: BundleFolder, manifest: Manifest) -> Iterator[str]:
    """
    Look at files, sizes, hashes, labels, priors, thresholds and models.

    :param folder: the bundle's
    :param manifest: of it
    :return: a finding for everything that is wrong
    """
    for name in _REQUIRED:
        if name not in manifest.files:
            yield f'{folder.path / MANIFEST}: does not list {name}; export the bundle again'
    # What can't be read, or lies elsewhere, is not opened again.
    readable = set()
    for name in manifest.files:
        finding, is_readable = _check_file(folder, name, manifest)
        if finding:
            yield finding
        if is_readable:
            readable.add(name)
    for name, check in ((LABELS, _check_labels), (PRIORS, _check_priors), (DEPLOY, _check_config)):
        if name in readable:
            yield from check(folder, manifest)
    for name in sorted(readable.intersection(manifest.models)):
        yield from _check_model(folder, name, manifest)


def _check_file(folder: BundleFolder, name: str, manifest: Manifest) -> tuple[str, bool]:
    """Compare a file with its record, and tell whether it can be read at all."""
    file, record = folder.path / name, manifest.files[name]
    if Path(name).name != name:
        return f'{folder.path / MANIFEST}: {name} is no plain file name', False
    try:
        found = folder.record(name)
    except FileNotFoundError:
        return f'{file}: is missing; copy the whole bundle again', False
    except FileError as error:
        return str(error), False
    if found == record:
        return '', True
    finding = (
        f'{file}: has sha256 {found.sha256[:12]}… and {found.size_bytes} bytes; the manifest says '
        f'{record.sha256[:12]}… and {record.size_bytes}; copy it again'
    )
    return finding, True


def _check_labels(folder: BundleFolder, manifest: Manifest) -> Iterator[str]:
    path = folder.path / LABELS
    try:
        labels = folder.read_labels()
    except UnicodeDecodeError as error:
        yield f'{path}: is no UTF-8 text ({error})'
        return
    if len(labels) != manifest.num_classes:
        yield (
            f'{path}: has {len(labels)} labels; the model scores {manifest.num_classes} classes '
            f'(without the background); correct the list or export again'
        )
    yield from (f'{path}: {fault}' for fault in find_label_faults(labels))


def _check_priors(folder: BundleFolder, manifest: Manifest) -> Iterator[str]:
    path = folder.path / PRIORS
    try:
        shape = read_array(folder.read(PRIORS)).shape
    except ValueError as error:
        yield f'{path}: can not be read ({error}); export the bundle again'
        return
    if shape != (manifest.num_priors, 4):
        yield f'{path}: has shape {shape}; the manifest says ({manifest.num_priors}, 4)'


def _check_config(folder: BundleFolder, manifest: Manifest) -> Iterator[str]:
    path = folder.path / DEPLOY
    try:
        config = folder.read_deploy_config()
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
        config.deploy.post_processing.by_class(folder.read_labels())
    except ConfigError as error:
        yield from (f'{path}: deploy.post_processing.{finding}' for finding in error.findings)
    except (FileError, OSError, UnicodeDecodeError):
        return  # Unreadable labels have a finding of their own.


def _check_model(folder: BundleFolder, name: str, manifest: Manifest) -> Iterator[str]:
    """Compare what a model file takes and gives with what the manifest says."""
    path = folder.path / name
    if unusual := find_unusual_parts(folder.read(name)):
        yield (
            f'{path}: holds {", ".join(unusual)}; expected one graph with its weights; export the '
            f'bundle again'
        )
        return
    try:
        shapes = read_shapes(path)
    except BackendError as error:
        written = manifest.onnx_formats.get(name)
        advice = written and advise_version(written.ir_version, written.opset)
        yield f'{error}; the file has {written}: {advice}' if advice else str(error)
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
