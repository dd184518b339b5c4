"""
What lies in a bundle's folder, and what its manifest says of it.

    deploy.yaml  labels.txt  model.onnx  priors_cxcywh.npy  MODEL_CARD.md  manifest.json
    model_fp16.onnx  model_int8_cpu.onnx  model_int8_trt.onnx  calibration.json  parity.npz
                                                                       where they were made
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from ssd_detector.config import STRICT
from ssd_detector.errors import ConfigError
from ssd_detector.printable import shown

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

MOST_FILES = 64
_LONGEST_TEXT = 1000
LARGEST_INPUT_PX = 4096
MOST_CLASSES = 10_000
# Scores of an image: 200 MB as float32.
_MOST_SCORES = 50_000_000


@dataclass(frozen=True)
class FileRecord:
    """What the manifest says of one file of the bundle."""

    __pydantic_config__ = STRICT

    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class OnnxFormat:
    """
    What a runtime has to know of to load a model file.

    :param ir_version: of the file format
    :param opset: of the operators, domain ai.onnx
    """

    __pydantic_config__ = STRICT

    ir_version: int
    opset: int

    def __str__(self) -> str:
        return f'IR version {self.ir_version}, opset {self.opset}'


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
    :param onnx_formats: of the model files; empty in bundles of before
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
    onnx_formats: dict[str, OnnxFormat] = field(default_factory=dict)
    schema_version: Literal[1] = 1

    def __post_init__(self) -> None:
        if findings := list(self._find_faults()):
            raise ConfigError(findings)

    @property
    def models(self) -> list[str]:
        """The model files, by name."""
        return sorted(name for name in self.files if name.endswith('.onnx'))

    def _find_faults(self) -> Iterator[str]:
        """Say what no detector has: numbers that would take all memory, texts that do things."""
        sizes = {
            'input_size_px': (self.input_size_px, LARGEST_INPUT_PX),
            'num_classes': (self.num_classes, MOST_CLASSES),
            'num_priors': (self.num_priors, _MOST_SCORES // (max(self.num_classes, 0) + 1)),
        }
        for name, (value, most) in sizes.items():
            if not 1 <= value <= most:
                yield f'{name}: received {shown(value)}; expected 1 to {most}'
        if len(self.files) > MOST_FILES:
            yield f'files: received {len(self.files)}; expected at most {MOST_FILES}'
        texts = {
            'name': self.name,
            'created_at': self.created_at,
            'fingerprint': self.fingerprint,
            'training_run': self.training_run,
            **{f'files.{name}': name for name in self.files},
            **{f'versions.{name}': f'{name} {text}' for name, text in self.versions.items()},
            **{f'metrics.{name}': name for name in self.metrics},
            **{f'onnx_formats.{name}': name for name in self.onnx_formats},
        }
        for name, text in texts.items():
            if not text.isprintable() or len(text) > _LONGEST_TEXT:
                yield (
                    f'{name}: received {shown(text)}; expected one line of at most '
                    f'{_LONGEST_TEXT} characters that can be printed'
                )
