"""A small network, exported and quantized once for all tests of the deploy chain."""

from pathlib import Path

import keras
import numpy as np

from ssd_training.data.sampling import draw_image
from ssd_training.deployment import steps
from ssd_training.deployment.assembly import assemble
from ssd_training.deployment.build import Build
from ssd_training.deployment.trained_model import load_deploy_config, TrainedModel
from ssd_training.experiments.architecture import describe_architecture
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.model.weights import save_weights
from ssd_training.quantization.step import quantize, QuantizeOptions
from ssd_training.runs.checkpoints import Checkpoint, Position, write_checkpoint
from ssd_training.runs.state import AVERAGE, MODEL
from ssd_training.train import CONFIG_ROOT
from ssd_training.training.step.building import build_model
from tests.training.deploy_config import write_deploy_config

NUM_PRIORS = 648


def make_build(folder: Path, **deploy) -> Build:
    """
    Name the folders of a deployment.

    :param folder: where
    :param deploy: sections of `deploy` that are changed
    :return: the build, nothing made yet
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = write_deploy_config(folder / 'deploy.yaml', **deploy)
    config, merged = load_deploy_config(path, CONFIG_ROOT, {})
    return Build(config, merged.tree, folder / 'bundle')


def build_everything(config: ExperimentConfig, folder: Path) -> Build:
    """
    Run every step on a small network.

    :param config: the experiment
    :param folder: where
    :return: the build; its bundle is complete
    """
    build = make_build(folder)
    build_bundle(make_trained_model(config, folder), build)
    return build


def build_bundle(trained: TrainedModel, build: Build) -> None:
    """
    Run every step.

    :param trained: what is deployed
    :param build: nothing made yet; its bundle is complete afterwards
    """
    steps.export(trained, build)
    steps.convert(build)
    quantize(build, QuantizeOptions(num_calibration=6, num_evaluated=0))
    steps.validate(build)
    assemble(build)


def make_trained_model(config: ExperimentConfig, folder: Path) -> TrainedModel:
    """
    Save the weights of a small network whose outputs follow its images.

    :param config: the experiment
    :param folder: where
    :return: what the export takes
    """
    path = folder / 'small.weights.h5'
    keras.utils.set_random_seed(0)
    model = build_model(config.architecture)
    enliven(model)
    save_weights(model, path)
    write_training_state(model, config, folder)
    return TrainedModel(
        config, '0123456789ab', 'smoke_0123456789ab', path, {'val/voc_ap_50/mAP': 0.25}
    )


def write_training_state(model: keras.Model, config: ExperimentConfig, folder: Path) -> None:
    """
    Write ckpt-3.npz as a training does: its weights are zero, their average is what counts.

    :param model: the average
    :param config: of its training
    :param folder: where
    """
    arrays = {f'{AVERAGE}{weight.path}': weight.numpy() for weight in model.weights}
    arrays |= {f'{MODEL}{weight.path}': np.zeros_like(weight.numpy()) for weight in model.weights}
    architecture = describe_architecture(config.architecture)
    write_checkpoint(folder, Checkpoint(Position(3), architecture, 'f' * 12, '', arrays))


def enliven(model: keras.Model) -> None:
    """
    Give an untrained network biases, and statistics with which signals keep their size.

    As it is initialized, an image that is 0.4 % darker changes its outputs by 6e-8: whatever a
    test does to the input, it sees nothing. With these weights they change by 0.0005.

    :param model: changed
    """
    rng = np.random.default_rng(0)
    for weight in model.weights:
        if weight.path.endswith(('/bias', '/beta')):
            weight.assign(rng.normal(0.0, 0.3, weight.shape).astype(np.float32))
        elif weight.path.startswith('head_') and weight.path.endswith('/kernel'):
            # Else rounding, too, would change them by more than 1e-5.
            weight.assign(0.2 * weight)
    images = np.stack([draw_image(model.input_shape[1], seed) for seed in range(8)])
    norms = [
        layer
        for layer in model._flatten_layers()
        if isinstance(layer, keras.layers.BatchNormalization)
    ]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.momentum = 0.0
    model(images.astype(np.float32) / 255, training=True)
    for norm, momentum in zip(norms, momenta, strict=True):
        norm.momentum = momentum
