"""A worker: claims and trains the next experiment, until none is left."""

from collections.abc import Callable
from dataclasses import dataclass
import logging
import signal

from ssd_training.errors import InterruptedRun, LedgerError
from ssd_training.ledger.leases.lease import Lease
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.stores.entry import describe_state, Entry, Queue, Status
from ssd_training.ledger.stores.store import get, Store

# As the trainings have it: their state is saved by then.
_INTERRUPTED = (128 + signal.SIGINT, 128 + signal.SIGTERM)
_WRONG_USAGE = 2
# In a row: five minutes at five seconds from one look to the next.
_MAX_FAILURES = 5

Train = Callable[[Lease], int]
Wait = Callable[[float], object]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """
    How long a worker works.

    :param max_experiments: ends behind that many; None for all
    :param waits: look again while others run what might come back, or what others depend on
    :param poll_s: from one look to the next
    """

    max_experiments: int | None = None
    waits: bool = True
    poll_s: float = 5.0


def work(claims: Claims, train: Train, plan: Plan, wait: Wait) -> list[Entry]:
    """
    Train what is next, until nothing is left.

    :param claims: of this worker
    :param train: is given a lease and gives an exit code; it says to the ledger how it ended
    :param plan: see Plan
    :param wait: seconds; may raise to end the work
    :return: what became of what was trained here, in order
    :raises InterruptedRun: when a training was ended by a signal
    :raises LedgerError: when the ledger can not be read at the start, or not again and again
    """
    done: list[Entry] = []
    num_looks, num_failures, has_looked = 0, 0, False
    while plan.max_experiments is None or len(done) < plan.max_experiments:
        try:
            lease = claims.claim_next()
            num_failures, has_looked = 0, True
        except LedgerError as error:
            num_failures += 1
            if not has_looked or num_failures > _MAX_FAILURES:
                raise
            # Who waits for hours must not fall over a minute without network.
            logger.warning('%s', error)
            wait(plan.poll_s * 2**num_failures)
            continue
        if lease is not None:
            done.append(_train_one(claims, lease, train))
            num_looks = 0
            continue
        num_looks += 1
        # What is on its way from one queue to another may be seen in neither.
        if num_looks > 1 and not (plan.waits and _may_come_back(claims.store)):
            break
        wait(plan.poll_s)
    return done


def describe_end(entry: Entry) -> str:
    """
    Word what became of an experiment.

    :param entry: as it is now
    :return: such as: failed (attempt 2 of 3): the loss is nan
    """
    if entry.status is Status.RUNNING:
        return f'taken over, {describe_state(entry)}'
    if entry.status is not Status.FAILED:
        reason = entry.failure_reason
        return f'{entry.status.value}: {reason}' if reason else entry.status.value
    attempts = f'attempt {min(entry.failed_attempts, entry.max_attempts)} of {entry.max_attempts}'
    return f'failed ({attempts}): {entry.failure_reason}'


def _train_one(claims: Claims, lease: Lease, train: Train) -> Entry:
    logger.info('%s: claimed, token %d', lease.key, lease.token)
    exit_code = train(lease)
    entry = get(claims.store, lease.key)
    if entry.status is Status.RUNNING and entry.fencing_token == lease.token:
        # Whoever held it is gone, without a word.
        left = Lease(claims.store, entry, claims.terms, claims.terms.clock.elapsed_s())
        left.fail(_describe_exit(exit_code), is_final=exit_code == _WRONG_USAGE)
        entry = get(claims.store, lease.key)
    logger.info('%s: %s', lease.key, describe_end(entry))
    if exit_code in _INTERRUPTED:
        raise InterruptedRun(exit_code - 128, f'{lease.key}: was interrupted; the worker ends')
    return entry


def _describe_exit(exit_code: int) -> str:
    if exit_code < 0:
        return f'the training was ended by {signal.Signals(-exit_code).name}'
    return f'the training ended with exit code {exit_code}, without a word to the ledger'


def _may_come_back(store: Store) -> bool:
    """Tell whether somebody runs what may fail, or what others wait for."""
    return bool(store.list_queue(Queue.RUNNING, 1))
