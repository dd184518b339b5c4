"""A process that is paused for longer than its lease: awake again, it writes nothing."""

import signal
import subprocess
import sys
import time

import pytest

from ssd_training.ledger.leases.clock import machine_clock
from ssd_training.ledger.leases.lease import Result
from ssd_training.ledger.leases.terms import Terms
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.stores.entry import Status
from ssd_training.ledger.stores.store import get
from tests.patience import patience_s
from tests.training.ledger.experiments import make_entry

LEASE_S = 2.0
# Writes a line for each checkpoint, as a training does: it asks before.
HOLDER = """
import sys, time
from pathlib import Path
from ssd_training.errors import LeaseLostError
from ssd_training.ledger.leases.clock import machine_clock
from ssd_training.ledger.leases.heartbeat import kept_alive
from ssd_training.ledger.leases.terms import Terms
from ssd_training.ledger.opening import Location
from ssd_training.ledger.queue.claims import Claims

path, table, log, lease_s = sys.argv[1:]
store = Location(Path(path) if path else None, table or None).open()
lease = Claims(store, Terms(machine_clock(), float(lease_s)), 'paused').claim_next()
try:
    with kept_alive(lease):
        for step in range(1, 100_000):
            lease.check()
            lease.keep_checkpoint('runs/exp', step)
            with open(log, 'a') as checkpoints:
                checkpoints.write(f'{step}\\n')
            time.sleep(0.02)
except LeaseLostError as error:
    sys.exit(str(error))
"""


@pytest.fixture
def paused(location, store, tmp_path):
    """Pause a process that holds an experiment; the process, and its checkpoints."""
    store.add(make_entry())
    log = tmp_path / 'checkpoints'
    where = [str(location.path or ''), location.table or '', str(log), str(LEASE_S)]
    holder = subprocess.Popen(
        [sys.executable, '-c', HOLDER, *where], stderr=subprocess.PIPE, text=True
    )
    while not (log.exists() and log.read_text()):
        assert holder.poll() is None, holder.communicate()
        time.sleep(0.01)
    holder.send_signal(signal.SIGSTOP)
    yield holder, log
    holder.kill()
    holder.communicate()


def test_what_a_paused_process_writes_behind_its_lease_is_refused(store, paused):
    holder, log = paused
    claims = Claims(store, Terms(machine_clock(), 60.0), 'other')
    lease = None
    while lease is None:
        lease = claims.claim_next()
        time.sleep(0.05)
    assert lease.token == 2, (get(store, lease.key), log.read_text(), holder.poll())
    lease.keep_checkpoint('runs/other', 1000)
    before = log.read_text()

    holder.send_signal(signal.SIGCONT)
    _, error = holder.communicate(timeout=patience_s(120))

    assert holder.returncode == 1
    assert 'was lost: it is running on other:' in error
    # Where it was stopped behind its question, one line may follow: a manifest has its token.
    assert len(log.read_text().splitlines()) - len(before.splitlines()) <= 1
    row = get(store, lease.key)
    assert (row.checkpoint_s3_path, row.total_steps) == ('runs/other', 1000)
    lease.succeed(Result('runs/other', None, None, 1000))
    assert get(store, lease.key).status is Status.SUCCESS
