"""What the ledger asks of a store: the same of a file and of a table."""

import dataclasses

import pytest

from ssd_training.errors import LedgerError
from ssd_training.ledger.stores.entry import Key, Queue, Status
from ssd_training.ledger.stores.store import change, get
from tests.training.ledger.experiments import make_entry


def test_an_entry_comes_back_as_it_was_kept(store):
    entry = make_entry(
        priority=-1.5,
        depends_on=('a', 'b'),
        arguments=('train.seed=3',),
        status=Status.FAILED,
        enabled=False,
        best_metric=0.7218,
        best_epoch=3,
        total_steps=468,
        failure_reason='the loss is nan',
        recipe='{"train.epochs": 3}',
    )
    assert store.add(entry)
    assert get(store, entry.key) == entry
    assert store.list_entries() == [entry]
    assert store.find('exp') == [entry]


def test_of_two_registrations_of_one_recipe_the_first_counts(store):
    assert store.add(make_entry(priority=1))
    assert not store.add(make_entry(priority=2))
    assert store.find('exp')[0].priority == 1


def test_an_entry_that_somebody_else_changed_is_not_replaced(store):
    read = make_entry()
    store.add(read)
    first = dataclasses.replace(read, priority=1, version=2)
    assert store.replace(read, first)
    assert not store.replace(read, dataclasses.replace(read, priority=2, version=2))
    assert get(store, read.key) == first


def test_a_change_is_made_again_on_what_somebody_else_left(store):
    store.add(make_entry())

    def raise_priority(entry):
        if entry.priority == 0:
            # Somebody else comes in between.
            store.replace(entry, dataclasses.replace(entry, priority=10, version=2))
        return dataclasses.replace(entry, priority=entry.priority + 1)

    assert change(store, make_entry().key, raise_priority).priority == 11
    assert get(store, make_entry().key).priority == 11


def test_a_value_that_is_taken_away_is_gone(store):
    entry = make_entry(failure_reason='nan')
    store.add(entry)
    change(store, entry.key, lambda old: dataclasses.replace(old, failure_reason=None))
    assert get(store, entry.key).failure_reason is None


def test_queues_are_sorted_by_priority_and_then_by_registration(store):
    for number, priority in enumerate([0, 5, -3, 5, 0.5]):
        store.add(make_entry(f'exp{number}', number, priority=priority))
    store.add(make_entry('blocked', 7, is_blocked=True, depends_on=('exp0', 'exp1')))
    store.add(make_entry('busy', 8, status=Status.RUNNING))
    store.add(make_entry('off', 9, enabled=False))
    store.add(make_entry('done', 10, status=Status.SUCCESS))
    store.add(make_entry('again', 11, status=Status.FAILED, failed_attempts=2, priority=9))
    store.add(make_entry('over', 12, status=Status.FAILED, failed_attempts=3))

    ready = [queued.key.experiment_id for queued in store.list_queue(Queue.READY)]
    assert ready == ['again', 'exp1', 'exp3', 'exp4', 'exp0', 'exp2']
    assert [queued.key.experiment_id for queued in store.list_queue(Queue.READY, 2)] == ready[:2]
    assert [queued.depends_on for queued in store.list_queue(Queue.WAITING)] == [('exp0', 'exp1')]
    assert [queued.key.experiment_id for queued in store.list_queue(Queue.RUNNING)] == ['busy']


def test_the_recipes_of_an_experiment_are_found_the_newest_last(store):
    for number in (3, 1, 2):
        store.add(make_entry('exp', number))
    store.add(make_entry('another', 4))
    assert [entry.fingerprint[-1] for entry in store.find('exp')] == ['1', '2', '3']


def test_more_entries_than_an_answer_holds_are_read(store):
    entries = [make_entry(f'exp{number}', number) for number in range(130)]
    for entry in entries:
        store.add(entry)
    keys = [entry.key for entry in entries]
    assert sorted(entry.key for entry in store.get_many(keys)) == sorted(keys)
    assert len(store.list_entries()) == 130
    assert len(store.list_queue(Queue.READY)) == 130


def test_an_entry_that_is_not_there_is_an_error_that_says_how_to_add_it(store):
    assert store.get_many([Key('none', '0')]) == []
    with pytest.raises(LedgerError, match='has no none .0.; .* register adds it'):
        get(store, Key('none', '0'))
