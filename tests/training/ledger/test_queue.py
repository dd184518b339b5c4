"""What is next: priority, dependencies, enabled, and what others leave behind."""

import itertools

import pytest

from ssd_training.errors import InterruptedRun, LedgerError, NotClaimableError
from ssd_training.ledger.dependencies import unblock
from ssd_training.ledger.leases.lease import Result
from ssd_training.ledger.stores.entry import Queue, Status
from ssd_training.ledger.stores.sqlite import SqliteStore
from ssd_training.ledger.stores.store import get
from ssd_training.ledger.trainings.worker import Plan, work
from tests.training.ledger.experiments import FakeClock, make_entry

RESULT = Result('nowhere', None, None, 10)


@pytest.fixture
def store(tmp_path):
    return SqliteStore(tmp_path / 'ledger.db')


@pytest.fixture
def claims(store):
    return FakeClock().claims(store)


def succeed(lease):
    lease.succeed(RESULT)
    return 0


def trained_by(claims, train=succeed, **plan):
    """Let a worker work; the names of what it trained, in order."""
    done = work(claims, train, Plan(**plan), wait=lambda seconds: None)
    return [entry.experiment_id for entry in done]


def test_the_largest_priority_comes_first_then_the_oldest_registration(store, claims):
    for number, priority in enumerate([0, 2, 0.5, 2, -1]):
        store.add(make_entry(f'exp{number}', number, priority=priority))
    assert claims.peek().experiment_id == 'exp1'
    assert trained_by(claims) == ['exp1', 'exp3', 'exp2', 'exp0', 'exp4']


def test_what_is_disabled_is_never_taken(store, claims):
    store.add(make_entry(enabled=False))
    assert claims.peek() is None
    assert trained_by(claims) == []
    with pytest.raises(NotClaimableError, match='is disabled'):
        claims.claim(make_entry().key)


def test_dependencies_come_before_what_needs_them_whatever_its_priority(store, claims):
    store.add(make_entry('last', 1, priority=9, depends_on=('middle', 'first'), is_blocked=True))
    store.add(make_entry('middle', 2, priority=5, depends_on=('first',), is_blocked=True))
    store.add(make_entry('first', 3))
    with pytest.raises(NotClaimableError, match='last .*: waits for middle, first'):
        claims.claim(store.find('last')[0].key)
    assert trained_by(claims) == ['first', 'middle', 'last']


def test_behind_a_dependency_that_failed_for_good_nothing_starts(store, claims):
    store.add(make_entry('first', 1))
    store.add(make_entry('second', 2, depends_on=('first',), is_blocked=True))

    def fail(lease):
        lease.fail('nan', is_final=True)
        return 1

    assert trained_by(claims, fail) == ['first']
    assert [queued.key.experiment_id for queued in store.list_queue(Queue.WAITING)] == ['second']


def test_the_recipe_registered_last_is_the_one_that_others_wait_for(store, claims):
    store.add(make_entry('first', 1, status=Status.SUCCESS))
    store.add(make_entry('first', 2))
    store.add(make_entry('second', 3, depends_on=('first',), is_blocked=True))
    assert unblock(store) == 0
    claims.claim(store.find('first')[-1].key).succeed(RESULT)
    assert not store.find('second')[0].is_blocked


def test_what_was_waiting_comes_before_what_is_less_important(store, claims):
    store.add(make_entry('first', 1, priority=5))
    store.add(make_entry('trifle', 2))
    store.add(make_entry('second', 3, priority=5, depends_on=('first',), is_blocked=True))
    assert trained_by(claims) == ['first', 'second', 'trifle']


def test_what_waits_is_freed_also_where_the_machine_that_succeeded_died_then(store, claims):
    store.add(make_entry('first', 1, status=Status.SUCCESS))
    store.add(make_entry('second', 2, depends_on=('first',), is_blocked=True))
    assert trained_by(claims) == ['second']


def test_what_was_left_behind_takes_its_old_place(store):
    clock = FakeClock()
    store.add(make_entry('important', 1, priority=1))
    store.add(make_entry('other', 2))
    claims = clock.claims(store)
    assert claims.claim_next().key.experiment_id == 'important'
    clock.s += 61
    assert claims.claim_next().key.experiment_id == 'important'


def test_a_worker_waits_while_others_run_what_may_come_back(store):
    clock = FakeClock()
    store.add(make_entry())
    clock.claims(store).claim_next()
    waits = []

    def wait(seconds):
        waits.append(seconds)
        clock.s += seconds

    done = work(clock.claims(store), succeed, Plan(poll_s=7.0), wait)
    assert [entry.fencing_token for entry in done] == [2]
    assert sum(waits) >= 60


@pytest.fixture
def failing(claims, monkeypatch):
    """Let looks into the ledger fail, as where the network is gone: by their number, from 1."""

    def fail_at(*numbers):
        claim_next, looks = claims.claim_next, itertools.count(1)

        def claim_next_or_fail():
            if next(looks) in numbers:
                raise LedgerError(['table experiments (us-east-1): not reached'])
            return claim_next()

        monkeypatch.setattr(claims, 'claim_next', claim_next_or_fail)

    return fail_at


def test_a_worker_outlives_a_minute_without_its_ledger(store, claims, failing):
    store.add(make_entry('first', 1))
    store.add(make_entry('second', 2))
    failing(2, 3, 4)
    waits = []
    done = work(claims, succeed, Plan(poll_s=1.0), waits.append)
    assert [entry.experiment_id for entry in done] == ['first', 'second']
    assert waits[:3] == [2.0, 4.0, 8.0]


def test_a_ledger_that_can_not_be_read_at_the_start_or_never_again_ends_a_worker(
    store, claims, failing
):
    failing(1, *range(3, 99))
    for _ in range(2):
        with pytest.raises(LedgerError, match='not reached'):
            trained_by(claims)


def test_a_worker_that_shall_not_wait_does_not(store, claims):
    store.add(make_entry())
    claims.claim_next()
    assert trained_by(claims, waits=False) == []


def test_a_worker_ends_behind_as_many_experiments_as_it_was_told(store, claims):
    for number in range(3):
        store.add(make_entry(f'exp{number}', number))
    assert trained_by(claims, max_experiments=2) == ['exp0', 'exp1']


def test_a_failure_is_tried_again_and_a_training_that_dies_in_silence_is_one(store, claims):
    store.add(make_entry())
    codes = iter([-9, 1, 0])

    def die_twice(lease):
        code = next(codes)
        if code == 0:
            lease.succeed(RESULT)
        return code

    done = work(claims, die_twice, Plan(), wait=lambda seconds: None)
    assert [entry.failure_reason for entry in done] == [
        'the training was ended by SIGKILL',
        'the training ended with exit code 1, without a word to the ledger',
        None,
    ]
    assert done[-1].status is Status.SUCCESS


def test_wrong_usage_is_not_tried_again(store, claims):
    store.add(make_entry())
    assert trained_by(claims, lambda lease: 2) == ['exp']
    assert get(store, make_entry().key).queue is None


def test_a_worker_ends_where_its_training_was_interrupted(store, claims):
    store.add(make_entry('first', 1))
    store.add(make_entry('second', 2))

    def interrupt(lease):
        lease.release('SIGTERM: stopped at step 3')
        return 143

    with pytest.raises(InterruptedRun) as caught:
        trained_by(claims, interrupt)
    assert caught.value.exit_code == 143
    assert {entry.status for entry in store.list_entries()} == {Status.PENDING}


def test_an_experiment_that_is_not_there_can_not_be_claimed(claims):
    with pytest.raises(LedgerError, match='has no exp'):
        claims.claim(make_entry().key)
