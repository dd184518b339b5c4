"""The run folder, written: layout.py has its files."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, ExitStack, nullcontext
import dataclasses
from datetime import datetime, timezone
import fcntl
import logging
from pathlib import Path
import time
from typing import Any, TextIO

from ssd_detector.printable import LineFormatter
from ssd_training.errors import LeaseLostError, RunError
from ssd_training.experiments.schema import ExperimentConfig, SCHEMA_VERSION
from ssd_training.runs.files import write_json
from ssd_training.runs.layout import (
    ARGUMENTS,
    CHECKPOINTS,
    CONFIG,
    FINGERPRINT,
    LOG,
    LOGS,
    METRICS,
    read_metrics,
    read_status,
    refuse_finished,
    run_path,
    STATUS,
    Status,
    was_trained_in,
    WEIGHTS,
)

_LOCK = '.lock'
_DAMAGED_METRICS = 'metric_history.damaged.json'
# Marks a record for training.log alone: the command itself prints what ended it.
LAST_WORD = {'is_last_word': True}

logger = logging.getLogger(__name__)


class RunFolder:
    """
    Writes the files of one run; each of them aside first, so that a reader never sees half a file.

    :param path: an existing run folder, from create or open
    :param fencing_token: of the ledger's claim; a process with an older one has lost the folder
    """

    def __init__(self, path: Path, fencing_token: int | None = None) -> None:
        self.path = path
        self._fencing_token = fencing_token
        self.last = path / CHECKPOINTS / 'last'
        self.best = path / CHECKPOINTS / 'best'
        self.logs = path / LOGS / datetime.now(timezone.utc).strftime('%Y%m%d_%H%M%S_%f')
        self._history: list[dict[str, Any]] = []

    @classmethod
    def create(
        cls,
        config: ExperimentConfig,
        fingerprint: str,
        arguments: Mapping[str, Any],
        *,
        fencing_token: int | None = None,
    ) -> 'RunFolder':
        """
        Make the folder and write what is known before the training.

        :param config: the experiment
        :param fingerprint: 12 hex digits
        :param arguments: of the command line
        :param fencing_token: see RunFolder
        :return: the folder, with status initialized
        :raises RunError: when something was trained in a folder of this name, or is being trained:
            nothing is ever overwritten
        """
        path = run_path(config.run.root, config.experiment.id, fingerprint)
        refuse_finished(path)
        if was_trained_in(path):
            raise RunError(
                [
                    f'{path}: holds a run of this very recipe (status: {read_status(path)}); go '
                    f'on with --resume, move or delete the folder, or change the recipe '
                    f'(train.seed)'
                ]
            )
        try:
            (path / WEIGHTS).parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(
                [f'{path}: can not be made ({error.strerror}); set run.root']
            ) from error
        folder = cls(path, fencing_token)
        with folder._locked():
            folder.set_status(Status.INITIALIZED)
            write_json(path / CONFIG, dataclasses.asdict(config))
            write_json(path / ARGUMENTS, arguments)
            write_json(
                path / FINGERPRINT,
                {
                    'fingerprint': fingerprint,
                    'schema_version': SCHEMA_VERSION,
                    'created_at': _now(),
                    'short': fingerprint[:8],
                },
            )
        return folder

    @classmethod
    def open(
        cls, path: Path, arguments: Mapping[str, Any], *, fencing_token: int | None = None
    ) -> 'RunFolder':
        """
        Go on in a folder that an earlier start made.

        :param path: of the folder
        :param arguments: of the command line
        :param fencing_token: see RunFolder
        :return: the folder
        """
        folder = cls(path, fencing_token)
        if (path / METRICS).exists():
            folder._take_own_metrics()
        write_json(path / ARGUMENTS, arguments)
        return folder

    def set_status(self, status: Status, *, reason: str | None = None) -> None:
        """
        Write status.json.

        :param status: the new one
        :param reason: of a failure
        """
        write_json(
            self.path / STATUS, {'status': status.value, 'reason': reason, 'updated_at': _now()}
        )

    def add_metrics(self, step: int, metrics: Mapping[str, float]) -> None:
        """
        Append one entry to metric_history.json.

        :param step: training steps done
        :param metrics: tag -> value
        """
        self.forget_metrics_after(step - 1)
        self._history.append({'step': step, 'timestamp': _now(), **metrics})
        write_json(self.path / METRICS, self._history)

    def take_metrics(self, path: Path) -> None:
        """
        Go on with the history of another folder.

        :param path: of its metric_history.json
        :raises RunError: when it can not be read
        """
        self._history = read_metrics(path)

    def forget_metrics_after(self, step: int) -> None:
        """
        Leave out entries of steps that are going to be trained again.

        :param step: that the training goes on from
        """
        self._history = [entry for entry in self._history if entry['step'] <= step]

    @contextmanager
    def running(self, *, logs_to_file: bool = True) -> Iterator[None]:
        """
        Keep the lock, status.json and training.log while the block runs.

        :param logs_to_file: write training.log
        :return: nothing
        :raises RunError: when another process trains in this folder
        """
        with self._locked(), self._logging() if logs_to_file else nullcontext():
            try:
                self.set_status(Status.RUNNING)
                yield
            except LeaseLostError:
                # The folder belongs to somebody else.
                raise
            # Whatever ended the run, Ctrl-C included, its status must not stay `running`.
            except BaseException as error:
                self._set_failed(str(error) or type(error).__name__)
                raise
            else:
                self.set_status(Status.SUCCESS)

    def _take_own_metrics(self) -> None:
        try:
            self.take_metrics(self.path / METRICS)
        except RunError as error:
            aside = self.path / _DAMAGED_METRICS
            (self.path / METRICS).replace(aside)
            logger.warning('%s; it is now %s, and the history starts anew', error, aside.name)

    def _set_failed(self, reason: str) -> None:
        logger.error('%s', reason, extra=LAST_WORD)
        try:
            self.set_status(Status.FAILED, reason=reason)
        except RunError as error:
            # On a full disk; what ended the run is the error to tell.
            logger.error('%s', error)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        with ExitStack() as files:
            while True:
                lock = files.enter_context((self.path / _LOCK).open('a+'))
                try:
                    # The system lets go of it, however the process ends.
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError as error:
                    if not self._is_newer_than(lock):
                        raise RunError(
                            [
                                f'{self.path}: another process is training there; wait for it or '
                                f'end it'
                            ]
                        ) from error
                    # It asks the ledger before it writes again, and hears that it lost its claim.
                    (self.path / _LOCK).unlink(missing_ok=True)
            lock.truncate(0)
            lock.write('' if self._fencing_token is None else str(self._fencing_token))
            lock.flush()
            yield

    def _is_newer_than(self, lock: TextIO) -> bool:
        """Tell whether this process took over from the one that holds the lock."""
        lock.seek(0)
        token = lock.read()
        return (
            self._fencing_token is not None
            and token.isdigit()
            and (int(token) < self._fencing_token)
        )

    @contextmanager
    def _logging(self) -> Iterator[None]:
        self.logs.mkdir(parents=True, exist_ok=True)
        handler = logging.FileHandler(self.logs / LOG, encoding='utf-8')
        formatter = LineFormatter('%(asctime)sZ %(levelname)s %(message)s')
        formatter.converter = time.gmtime
        handler.setFormatter(formatter)
        package_logger = logging.getLogger('ssd_training')
        package_logger.addHandler(handler)
        try:
            yield
        finally:
            package_logger.removeHandler(handler)
            handler.close()


def _now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec='seconds')
