"""What people do to entries by hand: start failures again, take leases away."""

import dataclasses

from ssd_training.errors import LedgerError
from ssd_training.ledger.leases.expiry import Watch
from ssd_training.ledger.leases.terms import UNCLAIMED
from ssd_training.ledger.stores.entry import describe_state, Entry, Status
from ssd_training.ledger.stores.store import change, Store


def reset_failed(store: Store, experiment_id: str, *, dry_run: bool = False) -> list[Entry]:
    """
    Let an experiment that failed start again, from the checkpoint that was noted last.

    :param store: the ledger
    :param experiment_id: of its recipes those that failed
    :param dry_run: change nothing
    :return: as they are now
    :raises LedgerError: when none failed
    """
    entries = _find(store, experiment_id)
    failed = [entry for entry in entries if entry.status is Status.FAILED]
    if not failed:
        raise LedgerError(
            [f'{experiment_id}: is {_describe(entries)}; only what failed can be reset']
        )
    if dry_run:
        return [_reset(entry) for entry in failed]
    return [change(store, entry.key, _reset) for entry in failed]


def release(
    store: Store, experiment_id: str, watch: Watch, *, force: bool = False, dry_run: bool = False
) -> list[Entry]:
    """
    Take an experiment away from who holds it; what that machine writes later is refused.

    :param store: the ledger
    :param experiment_id: of its recipes those that are running
    :param watch: tells whether a lease is over
    :param force: also where it is not known to be
    :param dry_run: change nothing
    :return: as they are now
    :raises LedgerError: when none is running, or a lease is not known to be over
    """
    entries = _find(store, experiment_id)
    running = [entry for entry in entries if entry.status is Status.RUNNING]
    if not running:
        raise LedgerError(
            [f'{experiment_id}: is {_describe(entries)}; only what is running can be released']
        )
    alive = [entry for entry in running if not force and not watch.is_over(entry)]
    if alive:
        raise LedgerError(
            [
                f'{entry.key}: is {describe_state(entry)}, whose lease is not known to be over; '
                f'wait for it, or give --force if that machine is gone'
                for entry in alive
            ]
        )
    if dry_run:
        return [_take_away(entry) for entry in running]
    return [change(store, entry.key, _take_away) for entry in running]


def _find(store: Store, experiment_id: str) -> list[Entry]:
    entries = store.find(experiment_id)
    if not entries:
        raise LedgerError([f'{store.name}: has no {experiment_id}; list shows what there is'])
    return entries


def _describe(entries: list[Entry]) -> str:
    return ', '.join(describe_state(entry) for entry in entries)


def _reset(entry: Entry) -> Entry:
    if entry.status is not Status.FAILED:
        return entry
    return dataclasses.replace(
        entry,
        status=Status.PENDING,
        failed_attempts=0,
        failure_reason=None,
        **UNCLAIMED,
    )


def _take_away(entry: Entry) -> Entry:
    if entry.status is not Status.RUNNING:
        return entry
    return dataclasses.replace(
        entry,
        status=Status.PENDING,
        failure_reason=f'taken away from {entry.ec2_instance}',
        **UNCLAIMED,
    )
