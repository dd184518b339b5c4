"""A run that ended well, as the commands that come after a training read it."""

from dataclasses import dataclass
from pathlib import Path

from typing_extensions import NotRequired, TypedDict

from ssd_detector.config import parse_config
from ssd_detector.errors import ConfigError
from ssd_training.errors import RunError
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.runs.files import hash_file, read_json, read_json_as
from ssd_training.runs.layout import (
    BEST_WEIGHTS,
    CONFIG,
    FINGERPRINT,
    Fingerprint,
    METRICS,
    read_metrics,
    read_status,
    Status,
    SUMMARY,
    WEIGHTS,
)

_SHOWN = 5


class _Summary(TypedDict):
    # Runs of earlier versions do not have it.
    weights_sha256: NotRequired[dict[str, str]]


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
    history = read_metrics(path / METRICS)
    if not history:
        raise RunError([f'{path / METRICS}: is empty; bring the file of the training back'])
    last = history[-1]
    return FinishedRun(
        name=path.name,
        config=read_config(path),
        fingerprint=read_json_as(path / FINGERPRINT, Fingerprint)['fingerprint'],
        metrics={tag: value for tag, value in last.items() if isinstance(value, float)},
        weights_path=weights_path,
    )


def finished_weights(path: Path) -> Path:
    """
    Find what a training that succeeded has made.

    :param path: the run folder
    :return: the weights file
    :raises RunError: when the run did not succeed, or the file is not what it wrote
    """
    status = read_status(path)
    if status != Status.SUCCESS.value:
        raise RunError([f'{path}: status is {status}; only a run with status success is used'])
    _check_hash(path, WEIGHTS)
    return path / WEIGHTS


def hash_weights(path: Path) -> dict[str, str]:
    """
    Hash what a training has made, for its summary.

    :param path: the run folder
    :return: SHA-256 by name, of those that are there
    """
    return {
        name: hash_file(path / name) for name in (WEIGHTS, BEST_WEIGHTS) if (path / name).is_file()
    }


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


def _check_hash(path: Path, name: str) -> None:
    """HDF5 has no checksum: without this, a changed byte would be a changed weight."""
    if not (path / SUMMARY).exists():
        return
    wanted = read_json_as(path / SUMMARY, _Summary).get('weights_sha256', {}).get(name)
    if wanted is None:
        return
    if not (path / name).is_file() or hash_file(path / name) != wanted:
        raise RunError(
            [
                f'{path / name}: its SHA-256 is not that in {SUMMARY}: it is missing, changed or '
                f'cut off; bring it back, or take a checkpoint (checkpoints/last/ckpt-<step>.npz)'
            ]
        )
