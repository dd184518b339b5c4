"""One start of a training as the ledger sees it: whatever ends it, the entry says so."""

import pytest

from ssd_detector.errors import ConfigError
from ssd_training.errors import (
    DataError,
    InterruptedRun,
    LeaseLostError,
    LedgerError,
    NotClaimableError,
)
from ssd_training.ledger.leases.clock import machine_clock
from ssd_training.ledger.leases.lease import Result
from ssd_training.ledger.leases.terms import Terms
from ssd_training.ledger.opening import Location
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.queue.registration import read_entries, register, Sources
from ssd_training.ledger.stores.entry import Status
from ssd_training.ledger.stores.store import get
from ssd_training.ledger.trainings.tracking import LEASE_VARIABLE, Tracker, write_holder
from ssd_training.runs.fingerprint import compute_fingerprint
from ssd_training.train import CONFIG_ROOT, main
from tests.training.conftest import TINY

RESULT = Result('runs/tiny', 0.5, 2, 40)


@pytest.fixture
def environment(tmp_path):
    return {'SSD_LEDGER': str(tmp_path / 'ledger.db'), 'SSD_LEASE_S': '3'}


@pytest.fixture
def store(tmp_path):
    return Location(path=tmp_path / 'ledger.db').open()


@pytest.fixture
def registered(store, data_root, tiny_config):
    """Register the small experiment; its entry."""
    (entry,) = read_entries([TINY], Sources(CONFIG_ROOT, (), None, {'DATA_ROOT': str(data_root)}))
    register(store, [entry])
    assert entry.fingerprint == compute_fingerprint(tiny_config)
    return entry


def claims_of(store, lease_s=60.0):
    return Claims(store, Terms(machine_clock(), lease_s), 'worker')


def start(tracker, config):
    return tracker.claim(config, compute_fingerprint(config), None)


def test_without_a_ledger_nothing_is_tracked(tiny_config):
    with Tracker({}) as tracker:
        assert start(tracker, tiny_config) is None
        assert tracker.lease is None


def test_a_recipe_that_is_not_registered_is_trained_untracked_and_leaves_no_row(
    environment, store, tiny_config
):
    with Tracker(environment) as tracker:
        assert start(tracker, tiny_config) is None
        tracker.keep_checkpoint('runs/tiny', 40)
    assert store.list_entries() == []


def test_a_start_claims_and_a_success_is_noted_with_its_values(
    environment, store, registered, tiny_config
):
    with Tracker(environment) as tracker:
        assert start(tracker, tiny_config) is None
        assert get(store, registered.key).status is Status.RUNNING
        tracker.keep_checkpoint('runs/tiny', 20)
        tracker.succeed(RESULT)
    row = get(store, registered.key)
    assert (row.status, row.artifact_s3_path, row.best_metric, row.best_epoch) == (
        *(Status.SUCCESS, 'runs/tiny', 0.5, 2),
    )
    assert (row.checkpoint_s3_path, row.total_steps) == ('runs/tiny', 40)


@pytest.mark.parametrize(
    ('error', 'status', 'reason'),
    [
        (DataError(['train: no images']), Status.FAILED, 'train: no images'),
        (ConfigError(['x.yaml: unknown key']), Status.FAILED, 'x.yaml: unknown key'),
        (ZeroDivisionError(), Status.FAILED, 'ZeroDivisionError'),
        (MemoryError('no room'), Status.FAILED, 'no room'),
        (InterruptedRun(15, 'SIGTERM: stopped at step 3'), Status.PENDING, 'SIGTERM: stopped'),
        (
            InterruptedRun(15, 'notice: stopped at step 3', is_preemption=True),
            *(Status.PENDING, 'spot_preemption: notice'),
        ),
        (KeyboardInterrupt(), Status.PENDING, 'interrupted'),
    ],
)
def test_whatever_ends_a_training_is_a_final_state(
    environment, store, registered, tiny_config, error, status, reason
):
    with pytest.raises(type(error)), Tracker(environment) as tracker:
        start(tracker, tiny_config)
        raise error
    row = get(store, registered.key)
    assert row.status is status
    assert row.failure_reason.startswith(reason)
    assert row.ec2_instance is None
    # What is wrong with the configuration is wrong the next time, too.
    assert (row.queue is None) == isinstance(error, ConfigError)


def test_a_failure_by_a_lost_lease_changes_nothing(environment, store, registered, tiny_config):
    with pytest.raises(LeaseLostError), Tracker(environment) as tracker:
        start(tracker, tiny_config)
        claims_of(store)
        row = get(store, registered.key)
        raise LeaseLostError(['lost'])
    assert get(store, registered.key) == row


def test_an_experiment_that_changed_behind_its_registration_says_in_which_keys(
    environment, registered, load
):
    with Tracker(environment) as tracker, pytest.raises(ConfigError) as caught:
        start(tracker, load('tiny', 'train.epochs=9'))
    message = str(caught.value)
    assert f'is registered with recipe {registered.fingerprint}, and this is another' in message
    assert 'train.epochs: is 2, this experiment has 9' in message


def test_what_has_succeeded_is_not_trained_again(environment, store, registered, tiny_config):
    claims_of(store).claim(registered.key).succeed(RESULT)
    with Tracker(environment) as tracker:
        assert 'has succeeded already' in start(tracker, tiny_config)


def test_what_somebody_else_trains_is_left_to_them_while_they_are_alive(
    environment, store, registered, tiny_config
):
    claims_of(store, lease_s=60).claim(registered.key)
    row = get(store, registered.key)
    store.replace(row, _without_clock(row, lease_s=1.0))
    lease = get(store, registered.key)
    with Tracker(environment) as tracker:
        # Of another machine: it is watched for a whole lease, then it is over.
        assert start(tracker, tiny_config) is None
        assert tracker.lease.token == lease.fencing_token + 1


def test_what_waits_for_another_experiment_is_not_started(environment, store, load, data_root):
    sources = Sources(CONFIG_ROOT, ('experiment.id=base',), None, {'DATA_ROOT': str(data_root)})
    register(store, read_entries([TINY], sources))
    values = ('experiment.depends_on=[base]',)
    sources = Sources(CONFIG_ROOT, values, None, {'DATA_ROOT': str(data_root)})
    register(store, read_entries([TINY], sources))
    with Tracker(environment) as tracker, pytest.raises(NotClaimableError, match='waits for base'):
        start(tracker, load('tiny', *values))


def test_a_training_goes_on_with_the_claim_of_its_worker(
    environment, store, registered, tiny_config
):
    lease = claims_of(store).claim(registered.key)
    handed = environment | {LEASE_VARIABLE: write_holder(lease)}
    with Tracker(handed) as tracker:
        assert get(store, registered.key).ec2_instance == tracker.lease.owner
        assert start(tracker, tiny_config) is None
        tracker.succeed(RESULT)
    assert get(store, registered.key).fencing_token == lease.token
    with pytest.raises(LeaseLostError), Tracker(handed):
        pass


def test_a_claim_that_is_none_is_an_error(environment):
    with pytest.raises(ConfigError, match='SSD_LEASE: soon: no claim'):
        with Tracker(environment | {LEASE_VARIABLE: 'soon'}):
            pass


@pytest.mark.slow
def test_a_ledger_that_is_gone_stops_no_training_between_heartbeats(
    environment, store, registered, tiny_config, tmp_path
):
    """It waits for all tries of SQLite: 15 s."""
    environment['SSD_LEASE_S'] = '60'
    with pytest.raises(LedgerError), Tracker(environment) as tracker:
        start(tracker, tiny_config)
        for path in tmp_path.glob('ledger.db*'):
            path.unlink()
        (tmp_path / 'ledger.db').write_bytes(b'gone' * 5000)
        tracker._location.open()
        tracker.lease._store._connection.close()
        tracker.lease._store._connection = None
        tracker.keep_checkpoint('runs/tiny', 20)
        tracker.lease.check()
        tracker.succeed(RESULT)


@pytest.mark.parametrize('flag', ['--dry_run', '--print_config'])
def test_a_dry_run_touches_nothing(environment, store, registered, monkeypatch, data_root, flag):
    for name, value in {**environment, 'DATA_ROOT': str(data_root)}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr('ssd_training.training.session.check', lambda *_: None)
    assert main(['--experiment_path', str(TINY), flag]) == 0
    (row,) = store.list_entries()
    assert (row.status, row.version) == (Status.PENDING, 1)


def _without_clock(row, *, lease_s):
    import dataclasses

    return dataclasses.replace(row, lease_clock=None, lease_s=lease_s, version=row.version + 1)
