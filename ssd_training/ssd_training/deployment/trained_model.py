"""What is deployed: deploy config, experiment, weights, and their record in a build."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector.bundles.contents import DEPLOY
from ssd_detector.bundles.deploy_config import DeployConfig
from ssd_detector.config import parse_config
from ssd_detector.errors import ConfigError
from ssd_training.deployment.newest_run import find_newest_run
from ssd_training.deployment.replaced_keys import REPLACED_DEPLOY_KEYS
from ssd_training.errors import ExportError, WeightsError
from ssd_training.experiments.architecture import describe_architecture, list_misfits
from ssd_training.experiments.merge import (
    find_config,
    load_experiment,
    load_tree,
    MergedTree,
    parse_merged,
)
from ssd_training.experiments.model_schema import WEIGHTS_SUFFIX
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.runs.checkpoints import file_name, read_checkpoint, step_of
from ssd_training.runs.fingerprint import compute_fingerprint
from ssd_training.runs.finished_run import read_finished_run
from ssd_training.runs.start_weights import is_archive
from ssd_training.targets.priors import generate_priors
from ssd_training.training.soup import read_members


@dataclass(frozen=True)
class TrainedModel:
    """
    What is exported.

    :param config: the experiment that trained it
    :param fingerprint: 12 hex digits
    :param training_run: name of the run folder, or of the weights file
    :param weights_path: the file
    :param metrics: tag -> value; empty for a bare weights file
    :param members: the trainings that the weights are the mean of, a phrase each; none otherwise
    """

    config: ExperimentConfig
    fingerprint: str
    training_run: str
    weights_path: Path
    metrics: Mapping[str, float]
    members: tuple[str, ...] = ()

    def priors_cxcywh(self) -> NDArray[np.float32]:
        """
        Give the priors of the experiment.

        :return: (P, 4) float32, normalized
        """
        return generate_priors(self.config.priors, self.config.input_size)


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
    file = find_config(path, config_root, usual_name=DEPLOY)
    merged = load_tree(file, environment)
    config = parse_merged(merged, DeployConfig, REPLACED_DEPLOY_KEYS)
    if config.experiment_path is not None:
        named = _name_experiment(config.experiment_path, file.parent, config_root)
        config = replace(config, experiment_path=named)
        merged.tree['experiment_path'] = named
    return config, merged


def _name_experiment(given: str, folder: Path, config_root: Path) -> str:
    """
    Name an experiment so that it is found from every folder: one that is not shipped, in full.

    It may stand relative to the deploy config's folder, the working directory or the config root.
    """
    if (config_root / given).is_file():
        return given
    for candidate in (folder / given, Path(given)):
        if candidate.is_file():
            return str(candidate.resolve())
    return given


def find_trained_model(
    checkpoint: Path | None,
    deploy: DeployConfig,
    config_root: Path,
    environment: Mapping[str, str],
) -> TrainedModel:
    """
    Find out what a checkpoint is and which experiment trained it.

    :param checkpoint: a run folder, or a file of the deploy config's experiment, with or without
        its suffix: weights (.weights.h5), or a checkpoint such as ckpt-120.npz; or the archive
        (.npz) of a detector that was trained elsewhere; None takes the newest finished run
    :param deploy: the deploy config
    :param config_root: as in load_experiment
    :param environment: as in load_experiment
    :return: what the export takes
    :raises ConfigError: when the experiment can't be read or is not the run's
    :raises RunError: when the run folder or the checkpoint can't be used
    :raises WeightsError: when an archive is not there
    """
    if deploy.experiment_path is None:
        raise ConfigError(['experiment_path: missing in the deploy config; add it'])
    config, _ = load_experiment(Path(deploy.experiment_path), config_root, environment=environment)
    if checkpoint is None:
        checkpoint = find_newest_run(config)
    if (step := step_of(checkpoint.name)) is not None:
        path = checkpoint.with_name(file_name(step))
        fingerprint = read_checkpoint(path.parent, step).fingerprint
        return TrainedModel(config, fingerprint, f'{config.experiment.id} {path.stem}', path, {})
    if not checkpoint.is_dir():
        if is_archive(checkpoint):
            if not checkpoint.is_file():
                raise WeightsError([f'--checkpoint: {checkpoint}: no such file; check the path'])
            # It is what the weights start from, and all that they are.
            started = replace(config.backbone, weights=str(checkpoint))
            config = replace(config, backbone=started)
        elif not checkpoint.name.endswith(WEIGHTS_SUFFIX):
            checkpoint = checkpoint.with_name(checkpoint.name + WEIGHTS_SUFFIX)
        return TrainedModel(
            config,
            compute_fingerprint(config),
            checkpoint.name,
            checkpoint,
            {},
            read_members(checkpoint),
        )
    run = read_finished_run(checkpoint)
    if run.config.experiment.id != config.experiment.id:
        raise ConfigError(
            [
                f'{checkpoint}: is a run of {run.config.experiment.id}; the deploy config is for '
                f'{config.experiment.id} (experiment_path: {deploy.experiment_path})'
            ]
        )
    misfits = list_misfits(
        describe_architecture(run.config.architecture), describe_architecture(config.architecture)
    )
    if misfits:
        raise ConfigError(
            [
                f'{checkpoint}: {misfit} (experiment_path: {deploy.experiment_path}); name the '
                f'experiment that was trained'
                for misfit in misfits
            ]
        )
    return TrainedModel(run.config, run.fingerprint, run.name, run.weights_path, run.metrics)


def check_fit(trained: TrainedModel, deploy: DeployConfig) -> None:
    """
    Check that a deploy config is for an experiment.

    :param trained: what is exported
    :param deploy: the deploy config
    :raises ConfigError: with everything that does not fit
    """
    config = trained.config
    expected = (*config.input_size, 3)
    findings = []
    if deploy.deploy.input.size != expected:
        findings.append(
            f'deploy.input.size: {list(deploy.deploy.input.size)}; the experiment '
            f'{config.experiment.id} has {list(expected)} (input_size); make them equal'
        )
    try:
        deploy.deploy.post_processing.by_class(config.data.labels)
    except ConfigError as error:
        findings += [f'deploy.post_processing.{finding}' for finding in error.findings]
    if findings:
        raise ConfigError(findings)


def write_trained_model(trained: TrainedModel, path: Path) -> None:
    """
    Record what a build was made of, for the steps that come after the export.

    :param trained: what was exported
    :param path: the JSON file
    """
    record = asdict(trained) | {'weights_path': str(trained.weights_path)}
    path.write_text(json.dumps(record, indent=2, default=str), encoding='utf-8')


def read_trained_model(path: Path) -> TrainedModel:
    """
    Read what write_trained_model wrote.

    :param path: the JSON file
    :return: what was exported
    :raises ExportError: when it is missing or can't be read
    """
    try:
        record: dict[str, Any] = json.loads(path.read_text(encoding='utf-8'))
        config = parse_config(record['config'], ExperimentConfig, str(path))
        return TrainedModel(
            config,
            record['fingerprint'],
            record['training_run'],
            Path(record['weights_path']),
            record['metrics'],
            tuple(record['members']),
        )
    except (OSError, ValueError, KeyError) as error:
        raise ExportError(
            [f'{path}: can not be read ({error}); run python -m ssd_training.export first']
        ) from error
