"""
The steps from a checkpoint to a bundle.

    export    checkpoint  -> <bundle>_build/: saved_model/ priors_cxcywh.npy source.json
    convert   SavedModel  -> model.onnx model_fp16.onnx
    validate  every stage -> parity.npz, validation.json
    quantize  model.onnx  -> model_int8_cpu.onnx model_int8_trt.onnx calibration.json

A step deletes what later steps made of its old result, and ends by writing the bundle anew from
what the build folder holds, aside and then renamed.
"""

from collections.abc import Sequence
import json
import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import MODEL, MODEL_FP16, PARITY, PRIORS
from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.preprocess import preprocess
from ssd_detector.proofs.parity_file import write_parity
from ssd_training.data.sampling import draw_image, find_images, load_images, read_sample
from ssd_training.deployment.assembly import assemble
from ssd_training.deployment.build import Build, INT8_FILES, SAVED_MODEL, TRAINED_MODEL, VALIDATION
from ssd_training.deployment.conversion import (
    convert_network,
    convert_saved_model,
    Converter,
    export_onnx,
)
from ssd_training.deployment.half_precision import write_half
from ssd_training.deployment.trained_model import (
    check_fit,
    read_trained_model,
    TrainedModel,
    write_trained_model,
)
from ssd_training.deployment.validation import (
    check_half,
    check_onnx,
    check_stages,
    compare,
    Difference,
    keras_runner,
    record_parity,
    saved_model_runner,
)
from ssd_training.model.serving import save_saved_model, Serving
from ssd_training.training.trained import load_float

_NUM_PARITY = 4

logger = logging.getLogger(__name__)


def export_bundle(trained: TrainedModel, build: Build) -> Bundle:
    """
    Run export, convert and validate: a float32 bundle.

    :param trained: what is exported
    :param build: where to
    :return: the bundle, read back
    :raises ConfigError: when deploy config and experiment do not belong together
    :raises WeightsError: when the weights do not fit
    :raises ExportError: when the ONNX model is not the network
    """
    export(trained, build)
    convert(build)
    validate(build)
    return assemble(build)


def export(trained: TrainedModel, build: Build) -> None:
    """
    Build the network, load every weight, write the SavedModel and the priors.

    :param trained: what is exported
    :param build: where to
    :raises ConfigError: when deploy config and experiment do not belong together
    :raises WeightsError: when the weights do not fit
    """
    check_fit(trained, build.deploy)
    serving = load_serving(trained, build.deploy)
    build.path.mkdir(parents=True, exist_ok=True)
    build.forget_from(SAVED_MODEL)
    save_saved_model(serving, build.path / SAVED_MODEL)
    np.save(build.path / PRIORS, trained.priors_cxcywh())
    write_trained_model(trained, build.path / TRAINED_MODEL)
    logger.info('%s: written', build.path / SAVED_MODEL)


def export_uint8(trained: TrainedModel, build: Build) -> None:
    """
    Write model_uint8.onnx into the build folder: the same model for pixels of 0..255.

    :param trained: what is exported
    :param build: where to
    :raises ExportError: when ONNX refuses the result
    """
    serving = load_serving(trained, build.deploy, uint8_input=True)
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


def load_serving(
    trained: TrainedModel, deploy: DeployConfig, *, uint8_input: bool = False
) -> Serving:
    """
    Build the network and load every weight.

    :param trained: what is exported
    :param deploy: the deploy config
    :param uint8_input: take 0..255 instead of [0, 1]
    :return: what is deployed
    :raises WeightsError: when the weights do not fit
    """
    config = trained.config
    model = load_float(trained.weights_path, config.architecture, ema=config.train.ema)
    is_dynamic = deploy.deploy.runtime.batch_size == 'dynamic'
    return Serving(
        model,
        trained.priors_cxcywh(),
        trained.config.priors.variances,
        activation=trained.config.loss.classification.activation,
        batch_size=None if is_dynamic else 1,
        input_dtype=tf.uint8 if uint8_input else tf.float32,
    )


def convert(build: Build, converter: Converter = 'tf2onnx') -> None:
    """
    Write a slim ONNX file, and the same in float16.

    :param build: of an export
    :param converter: tf2onnx takes the SavedModel, direct the network, layer by layer; both give
        the same values
    :raises ExportError: when there is no export or ONNX refuses the result
    """
    saved_model_path, trained_path = build.file(SAVED_MODEL), build.file(TRAINED_MODEL)
    build.forget_from(MODEL)
    runtime = build.deploy.deploy.runtime
    path = build.path / MODEL
    if converter == 'tf2onnx':
        convert_saved_model(saved_model_path, path, opset=runtime.opset)
    else:
        batch_size = None if runtime.batch_size == 'dynamic' else 1
        trained = read_trained_model(trained_path)
        convert_network(trained, path, batch_size=batch_size, opset=runtime.opset)
    write_half(path, build.path / MODEL_FP16)
    for name in (MODEL, MODEL_FP16):
        logger.info('%s: %d bytes', build.path / name, (build.path / name).stat().st_size)


def validate(build: Build, parity_images: Sequence[NDArray[np.uint8]] = ()) -> list[Difference]:
    """
    Check the ONNX files and compare every stage with the one before; write parity.npz.

    :param build: of an export and a conversion
    :param parity_images: what parity.npz holds; empty takes drawn images, whose licence is free
    :return: the differences
    :raises ExportError: with everything that is wrong
    """
    trained = read_trained_model(build.file(TRAINED_MODEL))
    size_px = trained.config.input_size[0]
    check_onnx(
        build.file(MODEL),
        build.deploy,
        num_priors=len(trained.priors_cxcywh()),
        num_classes=len(trained.config.data.labels),
    )
    keras_run = keras_runner(load_serving(trained, build.deploy))
    saved_model_run = saved_model_runner(build.file(SAVED_MODEL))
    images = [preprocess(image, size_px) for image in read_sample(trained.config.data, size_px)]
    differences = [
        compare(SAVED_MODEL, saved_model_run, keras_run, images),
        compare(MODEL, OnnxRuntimeBackend(build.file(MODEL)).run_batch, saved_model_run, images),
    ]
    for difference in differences:
        logger.info('%s', difference)
    check_stages(differences)
    int8_paths = [build.path / name for name in INT8_FILES if (build.path / name).exists()]
    shown = list(parity_images) or [draw_image(size_px, seed) for seed in range(_NUM_PARITY)]
    parity = record_parity(keras_run, shown, size_px, int8_paths)
    check_half(build.file(MODEL_FP16), parity)
    write_parity(build.path / PARITY, parity)
    metrics = {f'parity/{kind}': getattr(differences[-1], kind) for kind in ('boxes', 'scores')}
    record = {'stages': [str(difference) for difference in differences], 'metrics': metrics}
    (build.path / VALIDATION).write_text(json.dumps(record, indent=2), encoding='utf-8')
    return differences
