"""
What lies in a bundle's folder, and what its manifest says of it.

    deploy.yaml  labels.txt  model.onnx  priors_cxcywh.npy  MODEL_CARD.md  manifest.json
    model_fp16.onnx  model_int8_cpu.onnx  model_int8_trt.onnx  calibration.json  parity.npz
                                                                       where they were made
"""

from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
from typing import Literal

from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.config import load_yaml, parse_config, STRICT
from ssd_detector.errors import BundleError, ConfigError

MANIFEST = 'manifest.json'
DEPLOY = 'deploy.yaml'
LABELS = 'labels.txt'
PRIORS = 'priors_cxcywh.npy'
MODEL = 'model.onnx'
MODEL_FP16 = 'model_fp16.onnx'
INT8_CPU = 'model_int8_cpu.onnx'
INT8_TRT = 'model_int8_trt.onnx'
CALIBRATION = 'calibration.json'
PARITY = 'parity.npz'
MODEL_CARD = 'MODEL_CARD.md'


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


def read_manifest(folder: Path) -> Manifest:
    """
    Read the manifest; whether the files are what it says is not looked at.

    :param folder: the bundle's
    :return: what it says
    :raises BundleError: when there is none, or it is no manifest
    """
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


def make_record(file: Path) -> FileRecord:
    """
    Say of a file what the manifest says of it.

    :param file: of a bundle
    :return: its hash and size
    """
    content = file.read_bytes()
    return FileRecord(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))


def read_labels(path: Path) -> tuple[str, ...]:
    """
    Read labels.txt.

    :param path: the file
    :return: the names of the classes 1, 2, ...
    """
    return tuple(path.read_text(encoding='utf-8').splitlines())


def read_deploy_config(path: Path) -> DeployConfig:
    """
    Read deploy.yaml as a bundle has it: without variables and overrides.

    :param path: the file
    :return: its content
    :raises ConfigError: with everything that is wrong
    """
    return parse_config(load_yaml(path), DeployConfig, str(path))
