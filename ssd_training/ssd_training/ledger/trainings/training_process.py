"""The training that a worker starts: a process of its own, which takes over the lease."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
import signal
import subprocess
import sys
import threading
from types import FrameType

from ssd_training.errors import InterruptedRun
from ssd_training.ledger.leases.heartbeat import kept_alive
from ssd_training.ledger.leases.lease import Lease
from ssd_training.ledger.opening import Location
from ssd_training.ledger.stores.entry import Entry
from ssd_training.ledger.trainings.tracking import LEASE_VARIABLE, write_holder

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class TrainingProcess:
    """
    Trains what was claimed, and passes signals on.

    :param location: of the ledger
    :param environment: of this process
    """

    def __init__(self, location: Location, environment: Mapping[str, str]) -> None:
        self._location = location
        self._environment = environment
        self._process: subprocess.Popen[bytes] | None = None
        self._signal: signal.Signals | None = None
        self._asked = threading.Event()

    @contextmanager
    def listening(self) -> Iterator[None]:
        """
        Take SIGINT and SIGTERM while the block runs.

        :return: nothing
        """
        before = {number: signal.signal(number, self._receive) for number in _SIGNALS}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def train(self, lease: Lease) -> int:
        """
        Train an experiment.

        :param lease: of this process, until the other one has taken it over
        :return: the exit code
        :raises InterruptedRun: when a signal came before; the experiment is given back
        """
        # A handler that raised could do so in the middle of a claim.
        if self._signal is not None:
            lease.release(f'{self._signal.name} before the training')
        self.wait(0)
        environment = {
            **self._environment,
            **self._location.as_environment(),
            LEASE_VARIABLE: write_holder(lease),
            # It is part of the fingerprint.
            'GIT_COMMIT': lease.entry.git_commit or '',
        }
        with (
            kept_alive(lease),
            subprocess.Popen(_command(lease.entry), env=environment) as process,
        ):
            self._process = process
            if self._signal is not None:
                process.send_signal(self._signal)
            exit_code = process.wait()
            self._process = None
        return exit_code

    def wait(self, seconds: float) -> None:
        """
        Wait, but not longer than until a signal.

        :param seconds: at most
        :raises InterruptedRun: when one came, now or before
        """
        self._asked.wait(seconds)
        if self._signal is not None:
            raise InterruptedRun(self._signal, f'{self._signal.name}: the worker ends')

    def _receive(self, number: int, _frame: FrameType | None) -> None:
        self._signal = signal.Signals(number)
        self._asked.set()
        if self._process is not None:
            self._process.send_signal(number)


def _command(entry: Entry) -> list[str]:
    command = [sys.executable, '-m', 'ssd_training.train']
    command += ['--experiment_path', entry.experiment_config_path]
    if entry.config_root:
        command += ['--config_root', entry.config_root]
    return [*command, *entry.arguments]
