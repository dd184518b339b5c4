"""A small network, exported and quantized once for all tests of the deploy chain."""

from pathlib import Path

from ssd_training.deployment import steps
from ssd_training.deployment.assembly import assemble
from ssd_training.deployment.build import Build
from ssd_training.deployment.trained_model import load_deploy_config, Source
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.model.weights import save_weights
from ssd_training.quantization.step import quantize, QuantizeOptions
from ssd_training.train import CONFIG_ROOT
from ssd_training.training.trainer import build_model
from tests.training.deploy_config import write_deploy_config

NUM_PRIORS = 204


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
    Run every step on an untrained network.

    :param config: the experiment
    :param folder: where
    :return: the build; its bundle is complete
    """
    build = make_build(folder)
    build_bundle(make_source(config, folder), build)
    return build


def build_bundle(source: Source, build: Build) -> None:
    """
    Run every step.

    :param source: what is deployed
    :param build: nothing made yet; its bundle is complete afterwards
    """
    steps.export(source, build)
    steps.convert(build)
    quantize(build, QuantizeOptions(num_calibration=6, num_evaluated=0))
    steps.validate(build)
    assemble(build)


def make_source(config: ExperimentConfig, folder: Path) -> Source:
    """
    Save the weights of an untrained network.

    :param config: the experiment
    :param folder: where
    :return: what the export takes
    """
    path = folder / 'untrained.weights.h5'
    save_weights(build_model(config), path)
    return Source(config, '0123456789ab', 'smoke_0123456789ab', path, {'val/voc_ap_50/mAP': 0.25})
