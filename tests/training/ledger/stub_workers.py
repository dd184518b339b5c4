"""
Workers whose training is a stub, each in a process of its own.

As a program: python -m tests.training.ledger.stub_workers '{"path": ...}', see StubWorkers.
"""

from dataclasses import asdict, dataclass
import json
import os
from pathlib import Path
import random
import signal
import subprocess
import sys
import time

from ssd_training.ledger.leases.clock import machine_clock
from ssd_training.ledger.leases.heartbeat import kept_alive
from ssd_training.ledger.leases.lease import Lease, Result
from ssd_training.ledger.leases.terms import Terms
from ssd_training.ledger.opening import Location
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.trainings.worker import Plan, work


@dataclass(frozen=True)
class StubWorkers:
    """
    What the program does.

    :param path: file of the ledger, or None
    :param table: its table, or None
    :param log: file in which every training leaves a line when it starts and when it succeeds
    :param num_workers: processes
    :param training_s: length of a training
    :param lease_s: length of a lease
    :param death_share: of the trainings whose process is killed in the middle
    """

    path: str | None
    table: str | None
    log: str
    num_workers: int
    training_s: float
    lease_s: float = 60.0
    death_share: float = 0.0

    def run(self, timeout_s: float) -> list[list[str]]:
        """Run the program; the lines of its log, as words."""
        command = [sys.executable, '-m', 'tests.training.ledger.stub_workers']
        root = Path(__file__).parents[3]
        subprocess.run(
            [*command, json.dumps(asdict(self))], check=True, cwd=root, timeout=timeout_s
        )
        return [line.split() for line in Path(self.log).read_text().splitlines()]

    def _work(self, number: int) -> None:
        store = Location(Path(self.path) if self.path else None, self.table).open()
        random.seed(number)
        terms = Terms(machine_clock(), self.lease_s)
        claims = Claims(store, terms, f'worker{number}')
        work(claims, self._train, Plan(poll_s=0.1), time.sleep)

    def _train(self, lease: Lease) -> int:
        self._note('start', lease)
        with kept_alive(lease):
            time.sleep(self.training_s)
            if random.random() < self.death_share:
                os.kill(os.getpid(), signal.SIGKILL)
            lease.check()
            lease.succeed(Result('nowhere', random.random(), 1, 10))
        self._note('success', lease)
        return 0

    def _note(self, event: str, lease: Lease) -> None:
        with open(self.log, 'a') as log:
            log.write(f'{event} {lease.key.experiment_id} {lease.token} {os.getpid()}\n')

    def fork_all(self) -> int:
        """Fork the workers, and one more for each that was killed; the exit code."""
        children = {self._fork(number) for number in range(self.num_workers)}
        is_good, number = True, self.num_workers
        while children:
            child, status = os.wait()
            children.remove(child)
            if os.WIFSIGNALED(status):
                children.add(self._fork(number))
                number += 1
            else:
                is_good = is_good and status == 0
        return 0 if is_good else 1

    def _fork(self, number: int) -> int:
        child = os.fork()
        if child == 0:
            try:
                self._work(number)
                os._exit(0)
            finally:
                os._exit(1)
        return child


if __name__ == '__main__':
    sys.exit(StubWorkers(**json.loads(sys.argv[1])).fork_all())
