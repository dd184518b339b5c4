"""A lease: kept by heartbeats, lost by silence, and what its former holder writes is refused."""

import dataclasses

import pytest

from ssd_training.errors import LeaseLostError, NotClaimableError
from ssd_training.ledger.leases.lease import Result
from ssd_training.ledger.stores.entry import Status
from ssd_training.ledger.stores.store import get
from tests.training.ledger.experiments import FakeClock, make_entry

RESULT = Result('s3://bucket/exp', 0.7, 3, 468)


@pytest.fixture
def entry(store):
    """Register an experiment."""
    entry = make_entry()
    store.add(entry)
    return entry


@pytest.fixture(params=['sqlite'])
def location(tmp_path):
    """Stay with files: test_store.py and test_workers.py try both stores."""
    from ssd_training.ledger.opening import Location

    return Location(path=tmp_path / 'ledger.db')


def lost_holder(store, entry):
    """Let one machine claim and fall silent, and another one take over."""
    first, second = FakeClock('first'), FakeClock('second')
    lease = first.claims(store).claim(entry.key)
    claims = second.claims(store)
    assert claims.claim_next() is None
    second.s += 60
    taken = claims.claim_next()
    assert taken.token == lease.token + 1
    return lease, taken, first


def test_a_claim_notes_who_when_and_how_long(store, entry):
    clock = FakeClock()
    lease = clock.claims(store).claim(entry.key)
    row = get(store, entry.key)
    assert (row.status, row.fencing_token, row.ec2_instance) == (Status.RUNNING, 1, lease.owner)
    assert row.claimed == '2026-01-01T00:16:40+00:00'
    assert row.lease_expires == '2026-01-01T00:17:40+00:00'
    assert row.run_timestamp == '20260101_001640'


def test_what_is_running_can_not_be_claimed(store, entry):
    FakeClock('first').claims(store).claim(entry.key)
    with pytest.raises(NotClaimableError, match='is running on first:.* .token 1.'):
        FakeClock('second').claims(store).claim(entry.key)


@pytest.mark.parametrize('skew_s', [-600, 0, 600])
def test_a_machine_that_was_killed_loses_its_experiment_whatever_the_clocks_say(
    store, entry, skew_s
):
    FakeClock('first').claims(store).claim(entry.key)
    second = FakeClock('second', skew_s=skew_s)
    claims = second.claims(store)
    assert claims.claim_next() is None
    second.s += 59
    assert claims.claim_next() is None
    second.s += 1
    assert claims.claim_next().token == 2


@pytest.mark.parametrize('skew_s', [-600, 0, 600])
def test_a_machine_that_beats_keeps_its_experiment_whatever_the_clocks_say(store, entry, skew_s):
    first, second = FakeClock('first'), FakeClock('second', skew_s=skew_s)
    lease = first.claims(store).claim(entry.key)
    claims = second.claims(store)
    for _ in range(20):
        for clock in (first, second):
            clock.s += 40
        lease.renew()
        assert claims.claim_next() is None
        lease.check()


def test_what_ended_a_quarter_of_an_hour_ago_needs_no_watching(store, entry):
    FakeClock('first').claims(store).claim(entry.key)
    second = FakeClock('second')
    second.s += 60 + 15 * 60 + 1
    assert second.claims(store).claim_next().token == 2


def test_on_the_same_machine_the_end_is_known_without_watching(store, entry):
    clock = FakeClock()
    clock.claims(store).claim(entry.key)
    clock.s += 61
    assert clock.claims(store).claim_next().token == 2


def test_a_holder_that_lost_its_lease_can_not_write_any_more(store, entry):
    lease, taken, first = lost_holder(store, entry)
    first.s += 60
    for write in (
        lease.check,
        lease.renew,
        lambda: lease.keep_checkpoint('s3://bucket/old', 9999),
        lambda: lease.succeed(RESULT),
        lambda: lease.fail('too late'),
        lambda: lease.release('too late'),
    ):
        with pytest.raises(LeaseLostError, match=r'was lost: it is running on second:.*token 2'):
            write()
    row = get(store, entry.key)
    assert (row.status, row.ec2_instance, row.total_steps) == (
        Status.RUNNING,
        taken.owner,
        None,
    )


def test_a_late_machine_can_not_end_what_another_one_has_finished(store, entry):
    lease, taken, _ = lost_holder(store, entry)
    taken.succeed(RESULT)
    with pytest.raises(LeaseLostError, match='it is success now'):
        lease.fail('too late')
    assert get(store, entry.key).status is Status.SUCCESS


def test_a_holder_stops_before_its_lease_is_over(store, entry):
    clock = FakeClock()
    lease = clock.claims(store).claim(entry.key)
    assert lease.expires == 1000 + 0.8 * 60


def test_a_holder_without_a_way_to_its_ledger_stops_by_its_own_clock(store, entry, location):
    clock = FakeClock()
    lease = clock.claims(store).claim(entry.key)
    store._connection.close()
    location.path.write_bytes(b'no ledger any more' * 1000)
    store._connection = None
    clock.s += 47
    lease.check()
    clock.s += 2
    with pytest.raises(LeaseLostError, match='no heartbeat was taken in time .*not a database'):
        lease.check()


def test_a_holder_that_slept_goes_on_where_nobody_took_over(store, entry):
    clock = FakeClock()
    lease = clock.claims(store).claim(entry.key)
    clock.s += 500
    lease.check()
    assert lease.expires == 1500 + 0.8 * 60


def test_a_result_is_noted_with_what_it_cost(store, entry):
    clock = FakeClock()
    clock.claims(store, price=0.5).claim(entry.key).release('SIGTERM')
    lease = clock.claims(store, price=0.5).claim(entry.key)
    clock.s += 7200
    lease.succeed(RESULT)
    row = get(store, entry.key)
    assert (row.status, row.best_metric, row.best_epoch) == (Status.SUCCESS, 0.7, 3)
    assert (row.artifact_s3_path, row.run_seconds, row.cost_usd) == ('s3://bucket/exp', 7200, 1)
    assert row.completed_at and row.ec2_instance is None


def test_all_attempts_are_paid_for_also_those_that_were_killed(store, entry):
    clock = FakeClock()
    lease = clock.claims(store, price=1.0).claim(entry.key)
    for _ in range(10):
        clock.s += 360
        lease.renew()
    clock.s += 61
    second = clock.claims(store, price=2.0).claim_next()
    clock.s += 1800
    second.succeed(RESULT)
    row = get(store, entry.key)
    assert (row.run_seconds, row.cost_usd) == (5400, 2)


def test_without_a_price_the_cost_is_not_known(store, entry):
    clock = FakeClock()
    lease = clock.claims(store).claim(entry.key)
    clock.s += 3600
    lease.succeed(RESULT)
    assert get(store, entry.key).cost_usd is None


def test_the_price_of_the_experiments_machine_counts_where_this_one_has_none(store):
    entry = make_entry(price_usd_per_hour=3.0)
    store.add(entry)
    clock = FakeClock()
    lease = clock.claims(store).claim(entry.key)
    clock.s += 3600
    lease.succeed(RESULT)
    assert get(store, entry.key).cost_usd == 3


def test_a_failure_is_tried_again_until_its_attempts_are_used_up(store, entry):
    clock = FakeClock()
    for attempt in (1, 2, 3):
        lease = clock.claims(store).claim_next()
        lease.fail(f'nan {attempt}')
        row = get(store, entry.key)
        assert (row.status, row.failed_attempts) == (Status.FAILED, attempt)
        assert row.failure_reason == f'nan {attempt}'
    assert clock.claims(store).claim_next() is None


def test_what_would_fail_again_is_not_tried_again(store, entry):
    clock = FakeClock()
    clock.claims(store).claim_next().fail('configs/x.yaml: unknown key', is_final=True)
    assert clock.claims(store).claim_next() is None


def test_silence_counts_as_an_attempt(store, entry):
    clock = FakeClock()
    claims = clock.claims(store)
    for _ in range(3):
        assert claims.claim_next()
        clock.s += 61
    assert claims.claim_next() is None
    row = get(store, entry.key)
    assert row.status is Status.FAILED
    assert row.failure_reason.endswith('went silent')


def test_attempts_count_anew_behind_a_checkpoint_that_is_farther(store, entry):
    clock = FakeClock()
    claims = clock.claims(store)
    for step in range(10):
        lease = claims.claim_next()
        lease.keep_checkpoint('s3://bucket/exp', step + 1)
        clock.s += 61
    assert get(store, entry.key).total_steps == 10
    for _ in range(2):
        # Each trains the same steps again.
        claims.claim_next().keep_checkpoint('s3://bucket/exp', 10)
        clock.s += 61
    assert claims.claim_next() is None
    assert get(store, entry.key).status is Status.FAILED


def test_what_was_interrupted_is_free_at_once_with_its_checkpoint_and_costs_no_attempt(
    store, entry
):
    clock = FakeClock()
    lease = clock.claims(store).claim_next()
    lease.keep_checkpoint('s3://bucket/exp', 40)
    lease.release('SIGTERM: stopped at step 40')
    row = get(store, entry.key)
    assert (row.status, row.failed_attempts, row.ec2_instance) == (Status.PENDING, 0, None)
    assert row.failure_reason == 'SIGTERM: stopped at step 40'
    again = FakeClock('other').claims(store).claim_next()
    assert (again.token, again.entry.total_steps) == (2, 40)
    assert again.entry.failure_reason is None


def test_a_claim_whose_answer_was_lost_is_known_again(store, entry):
    claims = FakeClock().claims(store)
    replace, answers = store.replace, iter([False])

    def lose_the_first_answer(old, new):
        return replace(old, new) and next(answers, True)

    store.replace = lose_the_first_answer
    lease = claims.claim(entry.key)
    assert get(store, entry.key).fencing_token == lease.token == 1


def test_the_training_goes_on_with_the_lease_of_its_worker_and_the_worker_no_more(store, entry):
    clock = FakeClock()
    lease = clock.claims(store).claim(entry.key)
    taken = lease.hand_over('the training')
    assert (taken.token, taken.owner) == (1, 'the training')
    taken.renew()
    with pytest.raises(LeaseLostError):
        lease.renew()


def test_a_row_of_another_program_is_never_taken_over(store):
    store.add(dataclasses.replace(make_entry(), status=Status.RUNNING, ec2_instance='i-0abc'))
    clock = FakeClock()
    claims = clock.claims(store)
    for _ in range(3):
        assert claims.claim_next() is None
        clock.s += 1e6
