"""
What a training leaves behind, and how it is read.

    runs/<id>_<fingerprint>/
      config.json  fingerprint.json  args.json  status.json
      metric_history.json  training_summary.json
      checkpoints/last/ckpt-<step>.npz  checkpoints/best/ckpt-<step>.npz
      weights/final_weights.weights.h5  weights/best_weights.weights.h5
      logs/<start>/  training.log  environment.json  tensorboard/

Each start of a training has a folder of its own under logs; everything else goes on where the
start before ended. Times are UTC.
"""

from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import ConfigDict
from typing_extensions import TypedDict

from ssd_training.errors import RunError
from ssd_training.runs.files import read_json_as

CONFIG = 'config.json'
FINGERPRINT = 'fingerprint.json'
STATUS = 'status.json'
ARGUMENTS = 'args.json'
METRICS = 'metric_history.json'
SUMMARY = 'training_summary.json'
CHECKPOINTS = 'checkpoints'
WEIGHTS = 'weights/final_weights.weights.h5'
BEST_WEIGHTS = 'weights/best_weights.weights.h5'
LOGS = 'logs'
LOG = 'training.log'
ENVIRONMENT = 'environment.json'


class Status(str, Enum):
    """What became of a run."""

    INITIALIZED = 'initialized'
    RUNNING = 'running'
    SUCCESS = 'success'
    FAILED = 'failed'


class Entry(TypedDict):
    """One of metric_history.json; its metrics stand beside these, tag -> value."""

    __pydantic_config__ = ConfigDict(extra='allow')  # type: ignore[misc]
    step: int
    timestamp: str


class Fingerprint(TypedDict):
    """What of fingerprint.json is read."""

    fingerprint: str
    created_at: str


class _Status(TypedDict):
    status: str


def run_path(root: str, experiment_id: str, fingerprint: str) -> Path:
    """
    Name the folder of a run.

    :param root: run.root
    :param experiment_id: experiment.id
    :param fingerprint: 12 hex digits
    :return: below the root
    """
    return Path(root) / f'{experiment_id}_{fingerprint}'


def read_metrics(path: Path) -> list[dict[str, Any]]:
    """
    Read a metric_history.json.

    :param path: of the file
    :return: its entries: step, timestamp, and metrics by tag
    :raises RunError: when it can not be read, or holds something else
    """
    return [dict(entry) for entry in read_json_as(path, list[Entry])]


def refuse_finished(path: Path) -> None:
    """
    Refuse to train a recipe again that was trained to its end.

    :param path: its run folder
    :raises RunError: when it was
    """
    if read_status(path) == Status.SUCCESS.value:
        raise RunError([describe_finished(path)])


def describe_finished(path: Path | str) -> str:
    """
    Say of a recipe that was trained to its end what can follow.

    :param path: its run folder, or the address of its copy
    :return: a finding
    """
    return (
        f'{path}: this very recipe is finished (status: success); for more epochs: '
        f'train.epochs=N --run_from {path}; after a change of the pictures: from its weights with '
        f'backbone.weights={path}, or anew with train.seed=N or another run.root'
    )


def started_at(path: Path) -> str:
    """
    Tell when a run was made, to sort runs by.

    :param path: a run folder
    :return: ISO 8601, UTC; empty when it can't be read
    """
    try:
        return read_json_as(path / FINGERPRINT, Fingerprint)['created_at']
    except RunError:
        return ''


def was_trained_in(path: Path) -> bool:
    """
    Tell a run from a start that ended before its first epoch and left no checkpoint.

    :param path: a run folder, which need not be there
    :return: whether it holds what must not be overwritten
    """
    return (path / METRICS).exists() or any((path / CHECKPOINTS).glob('*/*'))


def read_status(path: Path) -> str:
    """
    Tell what status.json says.

    :param path: a run folder
    :return: a value of Status, or unknown
    """
    try:
        return read_json_as(path / STATUS, _Status)['status']
    except RunError:
        return 'unknown'
