"""What a path on the command line is, and with which experiment it is scored."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd_detector.bundles.bundle import Bundle, load_bundle
from ssd_detector.bundles.contents import MANIFEST
from ssd_detector.errors import ConfigError, EvaluationError
from ssd_training.evaluation.stages import (
    open_checkpoint,
    open_engine,
    open_onnx,
    open_saved_model,
    Stage,
)
from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.merge import find_config, load_experiment
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.experiments.training_schema import EmaSettings
from ssd_training.runs.finished_run import read_config
from ssd_training.runs.layout import CONFIG

_KINDS = (
    'a bundle, a run folder, *.weights.h5, ckpt-<step>.npz, the archive *.npz of a detector, a '
    'SavedModel, *.onnx, *.engine, or COCO results *.json'
)


@dataclass(frozen=True)
class Experiment:
    """
    Where data and settings come from.

    :param path: the YAML file, or None for that of the bundle or run
    :param config_root: folder of the component files
    :param overrides: key.path=value; only with a YAML file
    :param environment: variables for `${NAME:-default}`
    """

    path: Path | None
    config_root: Path
    overrides: Sequence[str]
    environment: Mapping[str, str]


def find_bundle(path: Path) -> Bundle | None:
    """
    Read the bundle that a path is, or lies in.

    :param path: a folder, or a file of it
    :return: the bundle, or None
    :raises BundleError: when it is one that can't be used
    """
    folder = path if path.is_dir() else path.parent
    return load_bundle(folder) if (folder / MANIFEST).is_file() else None


def require_bundle(path: Path, bundle: Bundle | None) -> Bundle:
    """
    Refuse what is no bundle.

    :param path: as given
    :param bundle: from find_bundle
    :return: the bundle
    :raises EvaluationError: when there is none
    """
    if bundle is None or not path.is_dir():
        raise EvaluationError([f'{path}: --chain takes the folder of a bundle'])
    return bundle


def read_experiment(path: Path, bundle: Bundle | None, experiment: Experiment) -> ExperimentConfig:
    """
    Find data and settings.

    :param path: what is scored
    :param bundle: that it is, or lies in
    :param experiment: as the command line names it
    :return: the experiment
    :raises ConfigError: when none is named, or it can't be read or has other classes
    :raises RunError: when that of the run can't be read
    """
    yaml_path = experiment.path
    if yaml_path is None and bundle is not None and bundle.config.experiment_path is not None:
        yaml_path = _experiment_of(bundle, experiment.config_root)
    if yaml_path is None and (run := _find_run(path)) and not experiment.overrides:
        return read_config(run)
    if yaml_path is None:
        raise ConfigError(
            [
                f'{path}: --experiment_path is missing; it names the network, and the data that '
                f'is scored on'
            ]
        )
    config, _ = load_experiment(
        yaml_path,
        experiment.config_root,
        overrides=experiment.overrides,
        environment=experiment.environment,
    )
    if bundle is not None and bundle.labels != config.data.labels:
        raise ConfigError(
            [
                f'{bundle.path}: labels {", ".join(bundle.labels)}; {yaml_path} has '
                f'{", ".join(config.data.labels)}; the class lists must match'
            ]
        )
    return config


def find_stage(
    path: Path, bundle: Bundle | None, *, architecture: Architecture, ema: EmaSettings
) -> Stage:
    """
    Find out what a path is.

    :param path: anything but a file of detections
    :param bundle: that it is, or lies in
    :param architecture: of the experiment
    :param ema: its section `train.ema`
    :return: how to open it
    :raises EvaluationError: when it is nothing that can be scored
    """
    labels, size_px = architecture.labels, architecture.input_size[0]
    if bundle is not None and path.is_dir():
        path = bundle.model_path()
    if path.suffix == '.onnx':
        return Stage('ONNX', path, lambda: open_onnx(path, labels))
    if path.suffix in ('.engine', '.plan'):
        return Stage('engine', path, lambda: open_engine(path, size_px, labels=labels))
    if (path / 'saved_model.pb').is_file():
        return Stage('SavedModel', path, lambda: open_saved_model(path, labels))
    is_weights = path.name.endswith('.weights.h5') or path.suffix == '.npz'
    if is_weights or (path / CONFIG).is_file():
        return Stage('checkpoint', path, lambda: open_checkpoint(path, architecture, ema=ema))
    raise EvaluationError([f'{path}: is nothing that can be scored; expected {_KINDS}'])


def check_exists(path: Path) -> None:
    """
    Refuse a path that leads nowhere before anything slow begins.

    :param path: as given
    :raises EvaluationError: with what is expected
    """
    if not path.exists():
        raise EvaluationError([f'{path}: no such file or folder; expected {_KINDS}'])


def _experiment_of(bundle: Bundle, config_root: Path) -> Path:
    """Find the experiment of a bundle, which may come from another machine."""
    try:
        return find_config(Path(str(bundle.config.experiment_path)), config_root)
    except ConfigError as error:
        raise ConfigError(
            [
                f'{bundle.path}: its experiment is not here ({finding}); name one with the same '
                f'labels and your data: --experiment_path FILE'
                for finding in error.findings
            ]
        ) from error


def _find_run(path: Path) -> Path | None:
    """Find the run folder that a path is, or lies in: weights/... or checkpoints/last/..."""
    candidates = [path, *path.absolute().parents[:3]]
    return next((folder for folder in candidates if (folder / CONFIG).is_file()), None)
