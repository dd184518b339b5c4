"""What is next: the order of the queue, dependencies, and experiments that were left behind."""

import dataclasses
from datetime import timezone
import os
import secrets

from ssd_training.errors import NotClaimableError
from ssd_training.ledger.dependencies import has_succeeded, unblock
from ssd_training.ledger.leases.expiry import Watch
from ssd_training.ledger.leases.lease import Lease
from ssd_training.ledger.leases.terms import lend, Terms, UNCLAIMED
from ssd_training.ledger.stores.entry import describe_state, Entry, Key, Queue, stamp, Status
from ssd_training.ledger.stores.store import change, get, replace_with, Store

# Of the head of the queue: of those that all others claim at this moment, one is left.
_HEAD = 40
# The index may lag behind: what it says is ready is taken then.
_MAX_ROUNDS = 3


class Claims:
    """
    Claims experiments for one process.

    :param store: the ledger
    :param terms: of its leases
    :param name: of the machine, for people
    """

    def __init__(self, store: Store, terms: Terms, name: str) -> None:
        self.store = store
        self.terms = terms
        self._name = name
        self._watch = Watch(terms.clock)

    def new_owner(self) -> str:
        """
        Name the holder of one claim.

        :return: a name that nobody else has: a claim whose answer was lost is known again by it
        """
        return f'{self._name}:{os.getpid()}:{secrets.token_hex(4)}'

    def claim(self, key: Key) -> Lease:
        """
        Claim an experiment that somebody asks for by name.

        :param key: of the experiment; its failed attempts do not count
        :return: the lease
        :raises NotClaimableError: when it is running with a lease that is not known to be over,
            has succeeded, is disabled, or waits for another one
        """
        entry = get(self.store, key)
        missing = [name for name in entry.depends_on if not has_succeeded(self.store, name)]
        if entry.is_blocked and missing:
            raise NotClaimableError([f'{key}: waits for {", ".join(missing)}'])
        if entry.status is Status.RUNNING:
            if self._watch.is_over(entry) and (lease := self._take_over(entry)):
                return lease
            raise NotClaimableError([f'{key}: is {describe_state(entry)}'])
        return self._claim(key)

    def claim_next(self) -> Lease | None:
        """
        Claim the next experiment: the largest priority first, then the oldest registration.

        :return: the lease, or None when there is none to be had at this moment
        """
        for _ in range(_MAX_ROUNDS):
            left_behind = {entry.key: entry for entry in self._left_behind()}
            ready = self.store.list_queue(Queue.READY, _HEAD)
            ranks = {queued.key: queued.rank for queued in ready}
            ranks |= {key: entry.rank for key, entry in left_behind.items()}
            for key in sorted(ranks, key=lambda key: ranks[key]):
                found = left_behind.get(key)
                if lease := self._take_over(found) if found else self._try(key):
                    return lease
            if not ranks and not unblock(self.store):
                break
        return None

    def peek(self) -> Entry | None:
        """
        Tell what claim_next would give now, without claiming it.

        :return: the entry, or None
        """
        ready = self.store.list_queue(Queue.READY, 1)
        candidates = [*self._left_behind(), *self.store.get_many(queued.key for queued in ready)]
        return min(candidates, key=lambda entry: entry.rank, default=None)

    def _left_behind(self) -> list[Entry]:
        """Read what is running with a lease that is over."""
        running = self.store.list_queue(Queue.RUNNING)
        entries = self.store.get_many(queued.key for queued in running) if running else []
        return [
            entry
            for entry in entries
            if entry.status is Status.RUNNING and self._watch.is_over(entry)
        ]

    def _try(self, key: Key) -> Lease | None:
        try:
            return self._claim(key)
        except NotClaimableError:
            return None

    def _claim(self, key: Key) -> Lease:
        owner, sent_s = self.new_owner(), self.terms.clock.elapsed_s()
        entry = change(self.store, key, lambda entry: self._given(entry, owner))
        return Lease(self.store, entry, self.terms, sent_s)

    def _given(self, entry: Entry, owner: str) -> Entry:
        if entry.ec2_instance == owner:
            # The answer to the first try was lost on its way.
            return entry
        if entry.status not in (Status.PENDING, Status.FAILED):
            raise NotClaimableError([f'{entry.key}: is {describe_state(entry)}'])
        if not entry.enabled:
            raise NotClaimableError(
                [f'{entry.key}: is disabled; register it with experiment.enabled: true']
            )
        return self._give(entry, owner)

    def _take_over(self, entry: Entry) -> Lease | None:
        """Claim what was left behind, as it was seen; where that was the last attempt, end it."""
        owner, sent_s = self.new_owner(), self.terms.clock.elapsed_s()
        lost = dataclasses.replace(
            entry,
            failed_attempts=entry.failed_attempts + 1,
            failure_reason=f'{entry.ec2_instance} went silent',
        )
        if lost.has_attempts_left:
            new = replace_with(self.store, entry, self._give(lost, owner))
        else:
            ended = dataclasses.replace(lost, status=Status.FAILED, **UNCLAIMED)
            replace_with(self.store, entry, ended)
            return None
        return Lease(self.store, new, self.terms, sent_s) if new else None

    def _give(self, entry: Entry, owner: str) -> Entry:
        now = self.terms.clock.now()
        return dataclasses.replace(
            entry,
            status=Status.RUNNING,
            fencing_token=entry.fencing_token + 1,
            failure_reason=None,
            claimed=stamp(now),
            ec2_instance=owner,
            run_timestamp=now.astimezone(timezone.utc).strftime('%Y%m%d_%H%M%S'),
            **lend(self.terms),
        )
