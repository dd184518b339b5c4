"""A run that ended well, as the commands that come after a training read it."""

from dataclasses import dataclass
from pathlib import Path

from ssd_detector.config import parse_config
from ssd_detector.errors import ConfigError
from ssd_training.errors import RunError
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.runs.files import read_json
from ssd_training.runs.folder import (
    CONFIG,
    FINGERPRINT,
    METRICS,
    read_status,
    Status,
    WEIGHTS,
)

_SHOWN = 5


@dataclass(frozen=True)
class FinishedRun:
    """
    A run that ended well.

    :param name: of the folder
    :param config: the experiment as it was trained
    :param fingerprint: 12 hex digits
    :param metrics: the last entry of metric_history.json
    :param weights_path: what was trained
    """

    name: str
    config: ExperimentConfig
    fingerprint: str
    metrics: dict[str, float]
    weights_path: Path


def read_finished_run(path: Path) -> FinishedRun:
    """
    Read a run folder whose training succeeded.

    :param path: the folder
    :return: what is in it
    :raises RunError: when files are missing, unreadable, or the run did not succeed
    """
    weights_path = finished_weights(path)
    last = read_json(path / METRICS)[-1]
    return FinishedRun(
        name=path.name,
        config=read_config(path),
        fingerprint=read_json(path / FINGERPRINT)['fingerprint'],
        metrics={tag: value for tag, value in last.items() if isinstance(value, float)},
        weights_path=weights_path,
    )


def finished_weights(path: Path) -> Path:
    """
    Find what a training that succeeded has made.

    :param path: the run folder
    :return: the weights file
    :raises RunError: when the run did not succeed
    """
    status = read_status(path)
    if status != Status.SUCCESS.value:
        raise RunError([f'{path}: status is {status}; only a run with status success is used'])
    return path / WEIGHTS


def read_config(path: Path) -> ExperimentConfig:
    """
    Read the experiment of a run.

    :param path: the run folder
    :return: the experiment as it was trained
    :raises RunError: when it can not be read, or another version wrote it
    """
    try:
        return parse_config(read_json(path / CONFIG), ExperimentConfig, str(path / CONFIG))
    except ConfigError as error:
        rest = len(error.findings) - _SHOWN
        raise RunError(
            [
                *error.findings[:_SHOWN],
                *([f'... and {rest} findings more'] if rest > 0 else []),
                f'{path / CONFIG}: was written by another version; give the experiment as a file '
                f'of today (--experiment_path, or the deploy config) and {path / WEIGHTS}',
            ]
        ) from error
