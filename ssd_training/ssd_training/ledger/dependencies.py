"""Experiments that wait for others: `experiment.depends_on`."""

import dataclasses

from ssd_training.ledger.stores.entry import Queue, Status
from ssd_training.ledger.stores.store import change, Store


def unblock(store: Store) -> int:
    """
    Move experiments whose dependencies have all succeeded to the queue of those that are ready.

    :param store: the ledger
    :return: how many
    """
    waiting = store.list_queue(Queue.WAITING)
    names = {name for entry in waiting for name in entry.depends_on}
    done = {name for name in names if has_succeeded(store, name)}
    free = [entry.key for entry in waiting if done.issuperset(entry.depends_on)]
    for key in free:
        change(store, key, lambda entry: dataclasses.replace(entry, is_blocked=False))
    return len(free)


def has_succeeded(store: Store, experiment_id: str) -> bool:
    """
    Tell whether what depends on an experiment may start.

    :param store: the ledger
    :param experiment_id: experiment.id
    :return: whether the recipe of it that was registered last has succeeded
    """
    entries = store.find(experiment_id)
    return bool(entries) and entries[-1].status is Status.SUCCESS
