"""From a run folder, or a weights file, to a bundle."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
import logging
from pathlib import Path
import tempfile
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf
import yaml

from ssd_detector.bundle import Bundle, DeployConfig, write_bundle
from ssd_detector.config import parse_config
from ssd_detector.errors import ConfigError
from ssd_training.deploy.model_card import write_model_card
from ssd_training.deploy.onnx_export import compare, export_onnx, Serving, TOLERANCE
from ssd_training.engine.run_folder import read_finished_run
from ssd_training.engine.trainer import build_model
from ssd_training.errors import ExportError
from ssd_training.experiments.fingerprint import compute_fingerprint
from ssd_training.experiments.merge import find_config, load_experiment, load_tree, MergedTree
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.model.weights import load_weights
from ssd_training.targets.priors import generate_priors

_LIBRARIES = ('keras', 'onnx', 'onnxruntime', 'onnxslim', 'tf2onnx')
_NUM_COMPARED = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Source:
    """
    What is exported.

    :param config: the experiment that trained it
    :param fingerprint: 12 hex digits
    :param training_run: name of the run folder, or of the weights file
    :param weights_path: the file
    :param metrics: tag -> value; empty for a bare weights file
    """

    config: ExperimentConfig
    fingerprint: str
    training_run: str
    weights_path: Path
    metrics: Mapping[str, float]


def load_deploy_config(
    path: Path, config_root: Path, environment: Mapping[str, str]
) -> tuple[DeployConfig, MergedTree]:
    """
    Read a deploy config.

    :param path: the YAML file; a relative one is looked for in config_root, too
    :param config_root: as in load_experiment
    :param environment: variables for `${NAME:-default}`
    :return: the checked configuration and the tree that it was made of
    :raises ConfigError: with everything that is wrong
    """
    merged = load_tree(find_config(path, config_root), environment)
    return parse_config(merged.tree, DeployConfig, merged.origins), merged


def read_source(
    checkpoint: Path, deploy: DeployConfig, config_root: Path, environment: Mapping[str, str]
) -> Source:
    """
    Find out what a checkpoint is and which experiment trained it.

    :param checkpoint: a run folder, or a file *.weights.h5 of the deploy config's experiment
    :param deploy: the deploy config
    :param config_root: as in load_experiment
    :param environment: as in load_experiment
    :return: what export_bundle takes
    :raises ConfigError: when the experiment can't be read or is not the run's
    :raises RunError: when the run folder can't be used
    """
    if deploy.experiment_path is None:
        raise ConfigError(['experiment_path: missing in the deploy config; add it'])
    config, _ = load_experiment(Path(deploy.experiment_path), config_root, environment=environment)
    if not checkpoint.is_dir():
        return Source(config, compute_fingerprint(config), checkpoint.name, checkpoint, {})
    run = read_finished_run(checkpoint)
    if run.config.experiment.id != config.experiment.id:
        raise ConfigError(
            [
                f'{checkpoint}: is a run of {run.config.experiment.id}; the deploy config is for '
                f'{config.experiment.id} (experiment_path: {deploy.experiment_path})'
            ]
        )
    return Source(run.config, run.fingerprint, run.name, run.weights_path, run.metrics)


def export_bundle(
    source: Source, deploy: DeployConfig, tree: Mapping[str, Any], path: Path
) -> Bundle:
    """
    Build the network, load the weights, convert, compare, write the bundle.

    :param source: what is exported
    :param deploy: the deploy config
    :param tree: the same as plain values, for the bundle's deploy.yaml
    :param path: the bundle's folder
    :return: the bundle, read back
    :raises ConfigError: when deploy config and experiment do not belong together
    :raises WeightsError: when the weights do not fit
    :raises ExportError: when the ONNX model is not the network
    """
    config = source.config
    _check_size(deploy, config)
    model = build_model(config)
    load_weights(model, source.weights_path)
    priors_cxcywh = generate_priors(config.priors, config.input_size)
    serving = Serving(
        model,
        priors_cxcywh,
        config.priors.variances,
        activation=config.loss.classification.activation,
    )
    with tempfile.TemporaryDirectory() as scratch:
        onnx_path, priors_path = Path(scratch, 'model.onnx'), Path(scratch, 'priors_cxcywh.npy')
        export_onnx(serving, onnx_path, opset=deploy.deploy.runtime.opset)
        parity = _check_parity(serving, onnx_path, config.input_size[0])
        np.save(priors_path, priors_cxcywh)
        metrics = {**source.metrics, **parity}
        contents: dict[str, Path | str] = {
            'model.onnx': onnx_path,
            'priors_cxcywh.npy': priors_path,
            'deploy.yaml': yaml.safe_dump(dict(tree), sort_keys=False),
            'labels.txt': '\n'.join(config.data.labels) + '\n',
            'MODEL_CARD.md': write_model_card(
                deploy.model_name, config, training_run=source.training_run, metrics=metrics
            ),
        }
        manifest_fields = {
            'name': deploy.model_name,
            'created_at': datetime.now(timezone.utc).isoformat(timespec='seconds'),
            'input_size_px': config.input_size[0],
            'num_priors': len(priors_cxcywh),
            'num_classes': len(config.data.labels),
            'fingerprint': source.fingerprint,
            'training_run': source.training_run,
            'versions': _versions(),
            'metrics': metrics,
        }
        return write_bundle(path, contents, manifest_fields)


def _check_size(deploy: DeployConfig, config: ExperimentConfig) -> None:
    expected = (*config.input_size, 3)
    if deploy.deploy.input.size != expected:
        raise ConfigError(
            [
                f'deploy.input.size: {list(deploy.deploy.input.size)}; the experiment '
                f'{config.experiment.id} has {list(expected)} (input_size); make them equal'
            ]
        )


def _check_parity(serving: Serving, onnx_path: Path, size_px: int) -> dict[str, float]:
    boxes, scores = compare(
        serving, onnx_path, [_draw_image(size_px, n) for n in range(_NUM_COMPARED)]
    )
    logger.info('ONNX against Keras: boxes within %.1e, scores within %.1e', boxes, scores)
    # NaN compares as false to everything.
    if not max(boxes, scores) <= TOLERANCE:
        raise ExportError(
            [
                f'{onnx_path.name}: boxes differ from the Keras network by {boxes:.1e}, scores by '
                f'{scores:.1e}; expected at most {TOLERANCE:.0e}; nothing was written'
            ]
        )
    return {'parity/boxes': boxes, 'parity/scores': scores}


def _draw_image(size_px: int, seed: int) -> NDArray[np.float32]:
    """Draw coloured clouds: no data set is needed to export."""
    coarse = np.random.default_rng(seed).random((9, 9, 3), np.float32)
    smooth = cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return smooth.astype(np.float32)[None]


def _versions() -> dict[str, str]:
    # tensorflow-cpu and tensorflow are two distributions of one module: ask the module.
    return {name: version(name) for name in _LIBRARIES} | {'tensorflow': tf.__version__}
