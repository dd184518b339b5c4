"""Real trainings on workers that are killed: each goes on from its last complete upload."""

from dataclasses import dataclass, field
import os
from pathlib import Path
import random
import re
import signal
import subprocess
import sys
import time

import pytest

from ssd_training.ledger.queue.registration import read_entries, register, Sources
from ssd_training.ledger.stores.entry import Status
from ssd_training.ledger.stores.sqlite import SqliteStore
from ssd_training.train import CONFIG_ROOT
from tests.training.conftest import TINY, UNCHANGED

NAMES = ('first', 'second', 'third')
NUM_KILLS = 4
RECIPE = (
    *UNCHANGED,
    *('train.epochs=6', 'train.eval_every=6', 'train.batch_size=4', 'scheduler.warmup.steps=2'),
    *('backbone.freeze_until=block_4', 'input_size=[64, 64]', 'run.upload_every_steps=1'),
    # Some are killed before their first upload.
    'experiment.max_attempts=10',
)
CLAIMED = re.compile(r'^(\w+) \(\w+\): claimed, token (\d+)')
STARTS = re.compile(r'starts at step (\d+) of')
UPLOADED = re.compile(r'step (\d+) is there:')


@dataclass
class Attempt:
    """One claim of an experiment, as the log of its worker tells it."""

    token: int
    first_step: int | None = None
    uploaded: list[int] = field(default_factory=list)


@pytest.fixture
def start_worker(tmp_path, data_root):
    """Start a worker on a machine that has never been used."""
    processes = []

    def start():
        number = len(processes)
        environment = os.environ | {
            'SSD_LEDGER': str(tmp_path / 'ledger.db'),
            'SSD_LEASE_S': '20',
            'SSD_WORKER_NAME': f'machine{number}',
            'DATA_ROOT': str(data_root),
            'RUNS_ROOT': str(tmp_path / f'machine{number}'),
            'CHECKPOINT_BUCKET': f'file://{tmp_path}/store',
        }
        with (tmp_path / f'machine{number}.log').open('w') as log:
            process = subprocess.Popen(
                [sys.executable, '-m', 'ssd_training.ledger', 'run', '--poll_s', '1'],
                env=environment,
                stderr=log,
                stdout=subprocess.DEVNULL,
                start_new_session=True,
            )
        processes.append(process)
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def read_attempts(logs: list[Path]) -> dict[str, list[Attempt]]:
    """Read what happened to each experiment, claim by claim."""
    attempts: dict[str, list[Attempt]] = {name: [] for name in NAMES}
    for log in logs:
        current = None
        for line in log.read_text().splitlines():
            if found := CLAIMED.search(line):
                current = Attempt(int(found[2]))
                attempts[found[1]].append(current)
            elif current and (found := STARTS.search(line)):
                current.first_step = int(found[1])
            elif current and (found := UPLOADED.search(line)):
                current.uploaded.append(int(found[1]))
    for of_experiment in attempts.values():
        of_experiment.sort(key=lambda attempt: attempt.token)
    return attempts


@pytest.mark.slow
def test_what_killed_machines_leave_goes_on_from_its_last_upload_to_success(
    start_worker, tmp_path, data_root
):
    store = SqliteStore(tmp_path / 'ledger.db')
    for name in NAMES:
        values = (*RECIPE, f'experiment.id={name}')
        sources = Sources(CONFIG_ROOT, values, None, {'DATA_ROOT': str(data_root)})
        register(store, read_entries([TINY], sources))
    rng = random.Random(0)
    workers = [start_worker(), start_worker()]
    num_kills = 0
    while any(entry.status is not Status.SUCCESS for entry in store.list_entries()):
        uploads = list((tmp_path / 'store').glob('*/manifests/*'))
        if num_kills < NUM_KILLS and len(uploads) > 2 * num_kills:
            # At any moment of a step, a checkpoint or an upload.
            time.sleep(rng.uniform(0, 3))
            place = rng.randrange(2)
            os.killpg(workers[place].pid, signal.SIGKILL)
            workers[place].wait()
            workers[place] = start_worker()
            num_kills += 1
        for place, worker in enumerate(workers):
            if worker.poll() is not None:
                workers[place] = start_worker()
        time.sleep(0.2)

    attempts = read_attempts(sorted(tmp_path.glob('machine*.log')))
    assert sum(map(len, attempts.values())) > len(NAMES)
    for name, claims in attempts.items():
        uploaded = 0
        for claim in claims:
            if claim.first_step is not None:
                assert claim.first_step >= uploaded, f'{name}: {claims}'
            uploaded = max([uploaded, *claim.uploaded])
