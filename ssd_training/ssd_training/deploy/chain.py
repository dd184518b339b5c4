"""
The steps from a checkpoint to a bundle.

    export    checkpoint  -> <bundle>_build/: saved_model/ priors_cxcywh.npy source.json
    convert   SavedModel  -> model.onnx
    validate  every stage -> parity.npz, validation.json
    quantize  model.onnx  -> model_int8_cpu.onnx model_int8_trt.onnx calibration.json

A step deletes what later steps made of its old result, and ends by writing the bundle anew from
what the build folder holds, aside and then renamed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
import json
import logging
from pathlib import Path
import shutil
from typing import Any

import numpy as np
from numpy.typing import NDArray
import tensorflow as tf
import yaml

from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.bundle import (
    Bundle,
    CALIBRATION,
    DEPLOY,
    INT8_CPU,
    INT8_TRT,
    LABELS,
    MODEL,
    MODEL_CARD,
    PARITY,
    PRIORS,
    write_bundle,
)
from ssd_detector.deploy_config import DeployConfig
from ssd_detector.parity import write_parity
from ssd_detector.preprocess import preprocess
from ssd_training.deploy.calibration import find_images, load_images
from ssd_training.deploy.conversion import convert_saved_model, export_onnx
from ssd_training.deploy.model_card import write_model_card
from ssd_training.deploy.sample_images import draw_image, read_sample
from ssd_training.deploy.serving import save_saved_model, Serving
from ssd_training.deploy.source import check_fit, read_recorded_source, Source, write_source
from ssd_training.deploy.validation import (
    check_onnx,
    check_stages,
    compare,
    Difference,
    keras_runner,
    record_parity,
    saved_model_runner,
)
from ssd_training.engine.trained import load_float
from ssd_training.errors import ExportError
from ssd_training.targets.priors import generate_priors

SAVED_MODEL = 'saved_model'
SOURCE = 'source.json'
VALIDATION = 'validation.json'
INT8_FILES = (INT8_CPU, INT8_TRT)
_NUM_PARITY = 4
_LIBRARIES = ('keras', 'onnx', 'onnxruntime', 'onnxslim', 'tf2onnx')
# In the order in which they are made; a step makes those behind its own invalid.
_MADE = (SAVED_MODEL, PRIORS, SOURCE, MODEL, PARITY, VALIDATION, *INT8_FILES, CALIBRATION)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Build:
    """
    A deployment under way.

    :param deploy: the deploy config
    :param tree: the same as plain values, for the bundle's deploy.yaml
    :param bundle_path: the bundle's folder; intermediate files lie beside it, in <name>_build
    """

    deploy: DeployConfig
    tree: Mapping[str, Any]
    bundle_path: Path

    @property
    def path(self) -> Path:
        """The folder of intermediate files."""
        return self.bundle_path.with_name(f'{self.bundle_path.name}_build')

    def file(self, name: str) -> Path:
        """
        Find an intermediate file that has to be there.

        :param name: of the file
        :return: its path
        :raises ExportError: when its step was not run
        """
        path = self.path / name
        if not path.exists():
            raise ExportError(
                [f'{path}: is not there; run export, then convert, with the same --output_dir']
            )
        return path

    def forget_from(self, name: str) -> None:
        """
        Delete what this step and those after it made.

        :param name: the step's first file
        """
        for old in _MADE[_MADE.index(name) :]:
            path = self.path / old
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def export_bundle(source: Source, build: Build) -> Bundle:
    """
    Run export, convert and validate: a float32 bundle.

    :param source: what is exported
    :param build: where to
    :return: the bundle, read back
    :raises ConfigError: when deploy config and experiment do not belong together
    :raises WeightsError: when the weights do not fit
    :raises ExportError: when the ONNX model is not the network
    """
    export(source, build)
    convert(build)
    validate(build)
    return assemble(build)


def export(source: Source, build: Build) -> None:
    """
    Build the network, load every weight, write the SavedModel and the priors.

    :param source: what is exported
    :param build: where to
    :raises ConfigError: when deploy config and experiment do not belong together
    :raises WeightsError: when the weights do not fit
    """
    check_fit(source, build.deploy)
    serving = load_serving(source, build.deploy)
    build.path.mkdir(parents=True, exist_ok=True)
    build.forget_from(SAVED_MODEL)
    save_saved_model(serving, build.path / SAVED_MODEL)
    np.save(build.path / PRIORS, _priors(source))
    write_source(source, build.path / SOURCE)
    logger.info('%s: written', build.path / SAVED_MODEL)


def export_uint8(source: Source, build: Build) -> None:
    """
    Write model_uint8.onnx into the build folder: the same model for pixels of 0..255.

    :param source: what is exported
    :param build: where to
    :raises ExportError: when ONNX refuses the result
    """
    serving = load_serving(source, build.deploy, uint8_input=True)
    path = build.path / 'model_uint8.onnx'
    export_onnx(serving, path, opset=build.deploy.deploy.runtime.opset)
    logger.info('%s: written', path)


def read_parity_images(folder: Path | None) -> list[NDArray[np.uint8]]:
    """
    Read the images that parity.npz shall hold.

    :param folder: of photographs; None for none
    :return: a few, each (H, W, 3) uint8
    :raises DataError: when the folder holds none or broken ones
    """
    if folder is None:
        return []
    return load_images(find_images(folder, _NUM_PARITY, 0))


def load_serving(source: Source, deploy: DeployConfig, *, uint8_input: bool = False) -> Serving:
    """
    Build the network and load every weight.

    :param source: what is exported
    :param deploy: the deploy config
    :param uint8_input: take 0..255 instead of [0, 1]
    :return: what is deployed
    :raises WeightsError: when the weights do not fit
    """
    model = load_float(source.config, source.weights_path)
    is_dynamic = deploy.deploy.runtime.batch_size == 'dynamic'
    return Serving(
        model,
        _priors(source),
        source.config.priors.variances,
        activation=source.config.loss.classification.activation,
        batch_size=None if is_dynamic else 1,
        input_dtype=tf.uint8 if uint8_input else tf.float32,
    )


def convert(build: Build) -> None:
    """
    Convert the SavedModel to a slim ONNX file.

    :param build: of an export
    :raises ExportError: when there is no SavedModel or ONNX refuses the result
    """
    saved_model_path = build.file(SAVED_MODEL)
    build.forget_from(MODEL)
    convert_saved_model(
        saved_model_path, build.path / MODEL, opset=build.deploy.deploy.runtime.opset
    )
    logger.info('%s: %d bytes', build.path / MODEL, (build.path / MODEL).stat().st_size)


def validate(build: Build, parity_images: Sequence[NDArray[np.uint8]] = ()) -> list[Difference]:
    """
    Check the ONNX file and compare every stage with the one before; write parity.npz.

    :param build: of an export and a conversion
    :param parity_images: what parity.npz holds; empty takes drawn images, whose licence is free
    :return: the differences
    :raises ExportError: with everything that is wrong
    """
    source = read_recorded_source(build.file(SOURCE))
    size_px = source.config.input_size[0]
    check_onnx(
        build.file(MODEL),
        build.deploy,
        num_priors=len(_priors(source)),
        num_classes=len(source.config.data.labels),
    )
    keras_run = keras_runner(load_serving(source, build.deploy))
    saved_model_run = saved_model_runner(build.file(SAVED_MODEL))
    images = [preprocess(image, size_px) for image in read_sample(source.config)]
    differences = [
        compare(SAVED_MODEL, saved_model_run, keras_run, images),
        compare(MODEL, OnnxRuntimeBackend(build.file(MODEL)).run, saved_model_run, images),
    ]
    for difference in differences:
        logger.info('%s', difference)
    check_stages(differences)
    int8_paths = [build.path / name for name in INT8_FILES if (build.path / name).exists()]
    shown = list(parity_images) or [draw_image(size_px, seed) for seed in range(_NUM_PARITY)]
    write_parity(build.path / PARITY, record_parity(keras_run, shown, size_px, int8_paths))
    metrics = {f'parity/{kind}': getattr(differences[-1], kind) for kind in ('boxes', 'scores')}
    record = {'stages': [str(one) for one in differences], 'metrics': metrics}
    (build.path / VALIDATION).write_text(json.dumps(record, indent=2), encoding='utf-8')
    return differences


def assemble(build: Build) -> Bundle:
    """
    Write the bundle from what the build folder holds.

    :param build: at least exported and converted
    :return: the bundle, read back
    :raises BundleError: when the parts do not fit; an older bundle stays then
    """
    source = read_recorded_source(build.file(SOURCE))
    config = source.config
    metrics = {**source.metrics, **_measured(build)}
    contents: dict[str, Path | str] = {
        MODEL: build.file(MODEL),
        PRIORS: build.file(PRIORS),
        DEPLOY: yaml.safe_dump(_for_robot(build.tree), sort_keys=False),
        LABELS: '\n'.join(config.data.labels) + '\n',
        MODEL_CARD: write_model_card(
            build.deploy.model_name, config, training_run=source.training_run, metrics=metrics
        ),
    }
    contents |= {
        name: build.path / name
        for name in (PARITY, CALIBRATION, *INT8_FILES)
        if (build.path / name).exists()
    }
    manifest_fields = {
        'name': build.deploy.model_name,
        'created_at': datetime.now(timezone.utc).isoformat(timespec='seconds'),
        'input_size_px': config.input_size[0],
        'num_priors': len(_priors(source)),
        'num_classes': len(config.data.labels),
        'fingerprint': source.fingerprint,
        'training_run': source.training_run,
        'versions': _versions(),
        'metrics': metrics,
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


def _priors(source: Source) -> NDArray[np.float32]:
    return generate_priors(source.config.priors, source.config.input_size)


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
