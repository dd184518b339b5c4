"""Many workers, each a process of its own, on one ledger: a file, and a table."""

from collections import Counter
import dataclasses

import pytest

from ssd_training.ledger.stores.entry import Status
from tests.training.ledger.experiments import make_entry
from tests.training.ledger.stub_workers import StubWorkers


def workers(location, tmp_path, **values):
    path = str(location.path) if location.path else None
    return StubWorkers(path, location.table, str(tmp_path / 'log'), **values)


def register_some(store, count, **values):
    """Register experiments, of which every fifth depends on the one before."""
    for number in range(count):
        depends_on = (f'exp{number - 1}',) if number % 5 == 4 else ()
        is_blocked = bool(depends_on)
        entry = make_entry(f'exp{number}', number, depends_on=depends_on, is_blocked=is_blocked)
        store.add(dataclasses.replace(entry, **values))


def count(lines, event):
    return Counter(name for kind, name, *_ in lines if kind == event)


def test_of_several_workers_each_experiment_is_trained_by_one(store, location, tmp_path):
    register_some(store, 10)

    lines = workers(location, tmp_path, num_workers=4, training_s=0.05).run(timeout_s=300)

    once = {f'exp{number}': 1 for number in range(10)}
    assert count(lines, 'start') == count(lines, 'success') == once
    assert {entry.status for entry in store.list_entries()} == {Status.SUCCESS}
    order = [name for event, name, *_ in lines if event == 'success']
    starts = [f'{event} {name}' for event, name, *_ in lines]
    assert starts.index('start exp4') > starts.index('success exp3')
    assert len(order) == 10


@pytest.mark.slow
def test_of_32_workers_on_20_experiments_each_is_trained_once(store, location, tmp_path):
    register_some(store, 20)

    lines = workers(location, tmp_path, num_workers=32, training_s=1.0).run(timeout_s=1200)

    once = {f'exp{number}': 1 for number in range(20)}
    assert count(lines, 'start') == count(lines, 'success') == once
    assert {entry.fencing_token for entry in store.list_entries()} == {1}


@pytest.mark.slow
def test_what_killed_workers_leave_is_trained_to_success_by_others(store, location, tmp_path):
    # Of five trainings one is killed: one of ten million experiments is killed ten times.
    register_some(store, 20, max_attempts=10)
    stub = workers(
        location, tmp_path, num_workers=16, training_s=0.5, lease_s=10.0, death_share=0.2
    )

    lines = stub.run(timeout_s=1200)

    assert {entry.status for entry in store.list_entries()} == {Status.SUCCESS}
    assert count(lines, 'success') == {f'exp{number}': 1 for number in range(20)}
    assert count(lines, 'start').total() > 20
