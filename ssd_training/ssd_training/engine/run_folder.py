"""
The run folder: what a training leaves behind.

    runs/<id>_<fingerprint>/
      config.json  fingerprint.json  args.json  status.json
      metric_history.json  training.log  weights/final_weights.weights.h5
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import dataclasses
from datetime import datetime, timezone
from enum import Enum
import json
import logging
from pathlib import Path
from typing import Any

from ssd_detector.config import parse_config
from ssd_detector.errors import ConfigError
from ssd_training.errors import RunError
from ssd_training.experiments.fingerprint import SCHEMA_VERSION
from ssd_training.experiments.schema import ExperimentConfig

CONFIG = 'config.json'
FINGERPRINT = 'fingerprint.json'
STATUS = 'status.json'
ARGUMENTS = 'args.json'
METRICS = 'metric_history.json'
LOG = 'training.log'
WEIGHTS = 'weights/final_weights.weights.h5'


class Status(str, Enum):
    """What became of a run."""

    INITIALIZED = 'initialized'
    RUNNING = 'running'
    SUCCESS = 'success'
    FAILED = 'failed'


class RunFolder:
    """
    Writes the files of one run; each of them aside first, so that a reader never sees half a file.

    :param path: an existing run folder, from create
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._history: list[dict[str, Any]] = []

    @classmethod
    def create(
        cls, config: ExperimentConfig, fingerprint: str, arguments: Mapping[str, Any]
    ) -> 'RunFolder':
        """
        Make the folder and write what is known before the training.

        :param config: the experiment
        :param fingerprint: 12 hex digits
        :param arguments: of the command line
        :return: the folder, with status initialized
        :raises RunError: when there is a folder of this name: nothing is ever overwritten
        """
        path = Path(config.run.root) / f'{config.experiment.id}_{fingerprint}'
        try:
            path.mkdir(parents=True)
        except FileExistsError as error:
            raise RunError(
                [
                    f'{path}: holds a run of this very recipe (status: {_status_of(path)}); '
                    f'move or delete the folder, or change the recipe (train.seed)'
                ]
            ) from error
        except OSError as error:
            raise RunError(
                [f'{path}: can not be made ({error.strerror}); set run.root']
            ) from error
        (path / WEIGHTS).parent.mkdir()
        folder = cls(path)
        folder.set_status(Status.INITIALIZED)
        folder._write(CONFIG, dataclasses.asdict(config))
        folder._write(ARGUMENTS, arguments)
        folder._write(
            FINGERPRINT,
            {
                'fingerprint': fingerprint,
                'schema_version': SCHEMA_VERSION,
                'created_at': _now(),
            },
        )
        return folder

    def set_status(self, status: Status, *, reason: str | None = None) -> None:
        """
        Write status.json.

        :param status: the new one
        :param reason: of a failure
        """
        self._write(STATUS, {'status': status.value, 'reason': reason, 'updated_at': _now()})

    def add_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """
        Append one entry to metric_history.json.

        :param step: training steps done
        :param metrics: tag -> value
        """
        self._history.append({'step': step, 'timestamp': _now(), **metrics})
        self._write(METRICS, self._history)

    @contextmanager
    def running(self) -> Iterator[None]:
        """
        Keep status.json and training.log while the block runs.

        :return: nothing
        """
        handler = logging.FileHandler(self.path / LOG, encoding='utf-8')
        handler.setFormatter(logging.Formatter('%(asctime)s %(levelname)s %(message)s'))
        logger = logging.getLogger('ssd_training')
        logger.addHandler(handler)
        self.set_status(Status.RUNNING)
        try:
            yield
        # Whatever ended the run, Ctrl-C included, its status must not stay `running`.
        except BaseException as error:
            self.set_status(Status.FAILED, reason=str(error) or type(error).__name__)
            raise
        else:
            self.set_status(Status.SUCCESS)
        finally:
            logger.removeHandler(handler)
            handler.close()

    def _write(self, name: str, content: Any) -> None:
        aside = self.path / f'.{name}.partial'
        aside.write_text(json.dumps(content, indent=2) + '\n', encoding='utf-8')
        aside.replace(self.path / name)


@dataclasses.dataclass(frozen=True)
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
    status = _status_of(path)
    if status != Status.SUCCESS.value:
        raise RunError([f'{path}: status is {status}; only a run with status success is used'])
    last = _read_json(path / METRICS)[-1]
    try:
        config = parse_config(_read_json(path / CONFIG), ExperimentConfig, str(path / CONFIG))
    except ConfigError as error:
        raise RunError(error.findings) from error
    return FinishedRun(
        name=path.name,
        config=config,
        fingerprint=_read_json(path / FINGERPRINT)['fingerprint'],
        metrics={tag: value for tag, value in last.items() if isinstance(value, float)},
        weights_path=path / WEIGHTS,
    )


def _status_of(path: Path) -> str:
    try:
        return str(_read_json(path / STATUS)['status'])
    except RunError:
        return 'unknown'


def _read_json(path: Path) -> Any:
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise RunError([f'{path}: can not be read ({error})']) from error


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec='seconds')
