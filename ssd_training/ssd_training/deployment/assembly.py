"""Writes the bundle from what the steps have put into the build folder."""

from collections.abc import Mapping
from datetime import datetime, timezone
from importlib.metadata import version
import json
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
import onnx
import tensorflow as tf

from ssd_detector.bundles.bundle import Bundle, write_bundle
from ssd_detector.bundles.contents import (
    CALIBRATION,
    DEPLOY,
    LABELS,
    MODEL,
    MODEL_CARD,
    MODEL_FP16,
    OnnxFormat,
    PARITY,
    PRIORS,
)
from ssd_detector.errors import BundleError
from ssd_detector.yaml_tree import dump_yaml
from ssd_training.deployment.build import (
    Build,
    CARD_NOTES,
    INT8_FILES,
    TRAINED_MODEL,
    VALIDATION,
)
from ssd_training.deployment.model_card import write_model_card
from ssd_training.deployment.trained_model import read_trained_model

_LIBRARIES = ('keras', 'onnx', 'onnxruntime', 'onnxslim', 'tf2onnx')


def assemble(build: Build) -> Bundle:
    """
    Write the bundle from what the build folder holds.

    :param build: at least exported and converted
    :return: the bundle, read back
    :raises BundleError: when the parts do not fit; an older bundle stays then
    """
    trained = read_trained_model(build.file(TRAINED_MODEL))
    config = trained.config
    metrics = {**trained.metrics, **_measured(build)}
    notes = build.path / CARD_NOTES
    contents: dict[str, Path | str] = {
        MODEL: build.file(MODEL),
        PRIORS: build.file(PRIORS),
        DEPLOY: dump_yaml(_for_robot(build.tree)),
        LABELS: '\n'.join(config.data.labels) + '\n',
        MODEL_CARD: write_model_card(
            build.deploy.model_name,
            config,
            training_run=trained.training_run,
            metrics=metrics,
            members=trained.members,
            notes=notes.read_text(encoding='utf-8') if notes.exists() else '',
        ),
    }
    contents |= {
        name: build.path / name
        for name in (MODEL_FP16, PARITY, CALIBRATION, *INT8_FILES)
        if (build.path / name).exists()
    }
    manifest_fields = {
        'name': build.deploy.model_name,
        'created_at': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'input_size_px': config.input_size[0],
        'num_priors': len(trained.priors_cxcywh()),
        'num_classes': len(config.data.labels),
        'fingerprint': trained.fingerprint,
        'training_run': trained.training_run,
        'versions': _versions(),
        'metrics': metrics,
        'onnx_formats': {
            name: _read_format(path)
            for name, path in contents.items()
            if isinstance(path, Path) and path.suffix == '.onnx'
        },
    }
    return write_bundle(build.bundle_path, contents, manifest_fields)


def _for_robot(tree: Mapping[str, Any]) -> dict[str, Any]:
    """Leave out what only the exporting machine does."""
    deploy = {
        name: section
        for name, section in tree['deploy'].items()
        if name not in ('prediction', 'benchmark')
    }
    return {**tree, 'deploy': deploy}


def _measured(build: Build) -> dict[str, float]:
    """Collect what validation and quantization measured."""
    metrics: dict[str, float] = {}
    for name in (VALIDATION, CALIBRATION):
        path = build.path / name
        if path.exists():
            found = json.loads(path.read_text(encoding='utf-8'))
            metrics |= found.get('metrics', {})
    return metrics


def _versions() -> dict[str, str]:
    # tensorflow-cpu and tensorflow are two distributions of one module: ask the module.
    return {name: version(name) for name in _LIBRARIES} | {'tensorflow': tf.__version__}


def _read_format(path: Path) -> OnnxFormat:
    try:
        model = onnx.load(path)
    except DecodeError as error:
        raise BundleError(
            [f'{path}: can not be read as an ONNX file ({error}); run its step again']
        ) from error
    (opset,) = (entry.version for entry in model.opset_import if entry.domain in ('', 'ai.onnx'))
    return OnnxFormat(model.ir_version, opset)
