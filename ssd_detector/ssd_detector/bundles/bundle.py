"""
A bundle: the folder that holds everything a robot needs to detect. Read, checked, written here.

    deploy.yaml  labels.txt  model.onnx  priors_cxcywh.npy  MODEL_CARD.md  manifest.json
    model_int8_cpu.onnx  model_int8_trt.onnx  calibration.json  parity.npz     where they were made
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
import hashlib
import json
from pathlib import Path
import shutil
import tempfile
from typing import Any, Literal

import numpy as np

from ssd_detector.backends.backend import BOXES_NAME, INPUT_NAME, SCORES_NAME
from ssd_detector.backends.onnxruntime import read_shapes, Shape
from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.bundles.labels import find_label_faults
from ssd_detector.config import load_yaml, parse_config, STRICT
from ssd_detector.errors import BackendError, BundleError, ConfigError
from ssd_detector.postprocess import Thresholds

MANIFEST = 'manifest.json'
DEPLOY = 'deploy.yaml'
LABELS = 'labels.txt'
PRIORS = 'priors_cxcywh.npy'
MODEL = 'model.onnx'
INT8_CPU = 'model_int8_cpu.onnx'
INT8_TRT = 'model_int8_trt.onnx'
CALIBRATION = 'calibration.json'
PARITY = 'parity.npz'
MODEL_CARD = 'MODEL_CARD.md'
AUTO = 'auto'
_REQUIRED = (DEPLOY, LABELS, MODEL, PRIORS)


@dataclass(frozen=True)
class FileRecord:
    """What the manifest says of one file of the bundle."""

    __pydantic_config__ = STRICT

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Manifest:
    """
    manifest.json: written last, so that a bundle that has one is complete.

    :param name: the bundle's name
    :param created_at: ISO 8601, UTC
    :param input_size_px: S
    :param num_priors: P
    :param num_classes: C, without the background
    :param files: a record for each file but the manifest itself
    :param fingerprint: 12 hex digits, of the experiment that trained the model
    :param training_run: name of the run folder
    :param versions: of the libraries that took part in the export
    :param metrics: name -> value, as measured at training or export
    """

    __pydantic_config__ = STRICT

    name: str
    created_at: str
    input_size_px: int
    num_priors: int
    num_classes: int
    files: dict[str, FileRecord]
    fingerprint: str
    training_run: str
    versions: dict[str, str]
    metrics: dict[str, float]
    schema_version: Literal[1] = 1

    @property
    def models(self) -> list[str]:
        """The model files, by name."""
        return sorted(name for name in self.files if name.endswith('.onnx'))


@dataclass(frozen=True)
class Bundle:
    """A bundle that was read and checked: every file is there and is what the manifest says."""

    path: Path
    manifest: Manifest
    config: DeployConfig
    labels: tuple[str, ...]

    @property
    def thresholds(self) -> Thresholds:
        """The thresholds that the bundle recommends."""
        return self.config.deploy.post_processing

    def model_path(self, model: str = AUTO, auto_name: str = MODEL) -> Path:
        """
        Find a model file.

        :param model: a file of the bundle, or `auto`
        :param auto_name: the file that `auto` stands for
        :return: its path
        :raises BundleError: when the bundle holds no such model
        """
        name = auto_name if model == AUTO else model
        if name not in self.manifest.models:
            raise BundleError(
                [
                    f'{self.path}: model: {name} is not in the bundle; '
                    f'it holds {", ".join(self.manifest.models)}'
                ]
            )
        return self.path / name


def load_bundle(path: str | Path) -> Bundle:
    """
    Read a bundle and check all of it: files, sizes, hashes, labels, priors, thresholds.

    :param path: the bundle's folder
    :return: the bundle
    :raises BundleError: with everything that is wrong
    """
    folder = Path(path)
    try:
        return _load_folder(folder)
    except OSError as error:
        where = error.filename or folder
        raise BundleError(
            [f'{where}: {error.strerror}; check the path and who may read it']
        ) from error


def _load_folder(folder: Path) -> Bundle:
    if not folder.is_dir():
        raise BundleError([f'{folder}: no such bundle folder; check the path'])
    manifest = _read_manifest(folder)
    findings = [
        *_check_files(folder, manifest),
        *_check_labels(folder / LABELS, manifest),
        *_check_priors(folder / PRIORS, manifest),
        *_check_config(folder / DEPLOY, manifest),
        *(f for name in manifest.models for f in _check_model(folder / name, manifest)),
    ]
    if findings:
        raise BundleError(findings)
    return Bundle(
        path=folder,
        manifest=manifest,
        config=_read_config(folder / DEPLOY),
        labels=_read_labels(folder / LABELS),
    )


def write_bundle(
    path: Path, contents: Mapping[str, Path | str], manifest_fields: Mapping[str, Any]
) -> Bundle:
    """
    Write a bundle aside, check it, and move it into place; an older one is replaced as a whole.

    :param path: the bundle's folder
    :param contents: file name -> a file to copy, or the text itself
    :param manifest_fields: the manifest's fields but `files`
    :return: the bundle, read back
    :raises BundleError: when what was written is no valid bundle; nothing is replaced then
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f'.{path.name}.', dir=path.parent) as scratch:
        folder = Path(scratch, path.name)
        folder.mkdir()
        for name, content in contents.items():
            if isinstance(content, Path):
                shutil.copyfile(content, folder / name)
            else:
                (folder / name).write_text(content, encoding='utf-8')
        files = {name: _record(folder / name) for name in sorted(contents)}
        manifest = Manifest(files=files, **manifest_fields)
        text = json.dumps(asdict(manifest), indent=2) + '\n'
        (folder / MANIFEST).write_text(text, encoding='utf-8')
        load_bundle(folder)
        if path.exists():
            path.rename(Path(scratch, 'replaced'))
        folder.rename(path)
    return load_bundle(path)


def _read_manifest(folder: Path) -> Manifest:
    manifest_path = folder / MANIFEST
    try:
        tree = json.loads(manifest_path.read_text(encoding='utf-8'))
    except FileNotFoundError as error:
        raise BundleError(
            [f'{folder}: has no {MANIFEST}; this is no bundle, or its export was cut off']
        ) from error
    except (ValueError, RecursionError) as error:
        raise BundleError(
            [f'{manifest_path}: no valid JSON ({error}); export the bundle again']
        ) from error
    try:
        return parse_config(tree, Manifest, str(manifest_path))
    except ConfigError as error:
        raise BundleError(error.findings) from error


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
        elif (found := _record(file)) != record:
            yield (
                f'{file}: has sha256 {found.sha256[:12]}… and {found.size_bytes} bytes; the '
                f'manifest says {record.sha256[:12]}… and {record.size_bytes}; copy it again'
            )


def _record(file: Path) -> FileRecord:
    content = file.read_bytes()
    return FileRecord(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def _read_labels(path: Path) -> tuple[str, ...]:
    return tuple(path.read_text(encoding='utf-8').splitlines())


def _read_config(path: Path) -> DeployConfig:
    return parse_config(load_yaml(path), DeployConfig, str(path))


def _check_labels(path: Path, manifest: Manifest) -> Iterator[str]:
    if not path.is_file():
        return
    try:
        labels = _read_labels(path)
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
        config = _read_config(path)
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
        config.deploy.post_processing.by_class(_read_labels(path.parent / LABELS))
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
