"""
Where entries are kept: one interface, of which the whole ledger makes use.

Every change is a comparison of versions and a replacement in one (`replace`): of several who
change the same version of an entry, one does.
"""

from collections.abc import Callable, Iterable
import dataclasses
from dataclasses import dataclass
from typing import Protocol

from ssd_training.errors import LedgerError
from ssd_training.ledger.stores.entry import Entry, Key, Queue

# Others come in between now and then; for ever they do not.
_MAX_TRIES = 100


@dataclass(frozen=True)
class Queued:
    """
    An experiment in a queue.

    :param key: of the entry
    :param rank: by which queues are sorted
    :param depends_on: ids of experiments
    """

    key: Key
    rank: str
    depends_on: tuple[str, ...] = ()


class Store(Protocol):
    """Keeps entries; each method raises LedgerError when the store refuses or fails."""

    @property
    def name(self) -> str:
        """Give the path or the name of the table, for messages."""

    def add(self, entry: Entry) -> bool:
        """
        Add an entry.

        :param entry: a new one
        :return: false when there is one with this key, which stays as it is
        """

    def get_many(self, keys: Iterable[Key]) -> list[Entry]:
        """
        Read entries, as they are now.

        :param keys: of the entries
        :return: those that are there, in any order
        """

    def replace(self, old: Entry, new: Entry) -> bool:
        """
        Change an entry, unless somebody else has changed it.

        :param old: as it was read
        :param new: with the same key; its version is the next one
        :return: false when it is not the version that was read
        """

    def list_entries(self) -> list[Entry]:
        """
        Read all entries.

        :return: in any order
        """

    def find(self, experiment_id: str) -> list[Entry]:
        """
        Read the entries of an experiment, of which each recipe has one.

        :param experiment_id: experiment.id
        :return: the one that was registered last stands last
        """

    def list_queue(self, queue: Queue, limit: int | None = None) -> list[Queued]:
        """
        Read the head of a queue, by its index; what was changed just now may be missing.

        :param queue: which one
        :param limit: how many at most; None for all
        :return: sorted by rank
        """


def get(store: Store, key: Key) -> Entry:
    """
    Read an entry, as it is now.

    :param store: the ledger
    :param key: of the entry
    :return: the entry
    :raises LedgerError: when there is none
    """
    for entry in store.get_many([key]):
        return entry
    raise LedgerError(
        [f'{store.name}: has no {key}; python -m ssd_training.ledger register adds it']
    )


def change(store: Store, key: Key, transition: Callable[[Entry], Entry]) -> Entry:
    """
    Change an entry; where somebody else comes in between, again.

    :param store: the ledger
    :param key: of the entry
    :param transition: gives the new entry, or raises; may be called more than once
    :return: as it is now
    :raises LedgerError: when there is no such entry
    """
    for _ in range(_MAX_TRIES):
        old = get(store, key)
        if (new := replace_with(store, old, transition(old))) is not None:
            return new
    raise LedgerError([f'{store.name}: {key} was changed by others {_MAX_TRIES} times; try again'])


def replace_with(store: Store, old: Entry, new: Entry) -> Entry | None:
    """
    Change an entry that was read, unless somebody else has changed it.

    :param store: the ledger
    :param old: as it was read
    :param new: what it is to be
    :return: as it is now, or None when it was changed
    """
    if new == old:
        return old
    new = dataclasses.replace(new, version=old.version + 1)
    return new if store.replace(old, new) else None
