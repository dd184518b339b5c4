"""
The right to work on an experiment: kept by heartbeats, lost by silence.

Safe whatever the clocks of the machines say. The holder stops by its own clock, which nobody
sets, a part of the lease before its end; it counts from the moment before a heartbeat was sent.
Whoever takes over has watched the entry for a whole lease without a heartbeat (see
expiry.py). Where a holder stopped in the middle of a write, the fencing token tells: it grows with
every claim, and no write to the ledger with an old one is taken.
"""

from collections.abc import Callable
import dataclasses
from dataclasses import dataclass
import logging
import threading
from typing import Any

from ssd_training.errors import LeaseLostError, LedgerError
from ssd_training.ledger.dependencies import unblock
from ssd_training.ledger.leases.terms import lend, Terms, UNCLAIMED
from ssd_training.ledger.stores.entry import describe_state, Entry, Key, stamp, Status
from ssd_training.ledger.stores.store import change, get, Store

# What of a lease its holder makes use of: the rest is for a write that is under way.
_USED_SHARE = 0.8
# An error message, not a log.
_MAX_REASON = 1000
logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Result:
    """
    What a training that succeeded has made.

    :param artifact: path or address of its run folder
    :param best_metric: of checkpoint.monitor, or None
    :param best_epoch: its epoch, from 1
    :param total_steps: trained
    """

    artifact: str
    best_metric: float | None
    best_epoch: int | None
    total_steps: int


class Lease:
    """
    Holds an experiment, by owner and fencing token; safe to use from several threads.

    :param store: the ledger
    :param claimed: the entry, as the claim has left it
    :param terms: of the holder
    :param sent_s: when the claim was sent, by the clock of the terms
    """

    def __init__(self, store: Store, claimed: Entry, terms: Terms, sent_s: float) -> None:
        self._store = store
        self._claimed = claimed
        self._terms = terms
        self._start_s = sent_s
        self._used_until_s = sent_s + _USED_SHARE * terms.lease_s
        self._lost: str | None = None
        self._lock = threading.Lock()
        self.is_given_back = False

    @property
    def entry(self) -> Entry:
        """Give the entry, as the claim has left it."""
        return self._claimed

    @property
    def key(self) -> Key:
        """Give the key of the experiment."""
        return self._claimed.key

    @property
    def owner(self) -> str:
        """Give the name of the holder."""
        return self._claimed.ec2_instance or ''

    @property
    def token(self) -> int:
        """Give the fencing token."""
        return self._claimed.fencing_token

    @property
    def expires(self) -> float:
        """Give the end of its use, seconds of Clock.elapsed_s."""
        with self._lock:
            return self._used_until_s

    @property
    def lease_s(self) -> float:
        """Give how long it lasts behind each heartbeat."""
        return self._terms.lease_s

    def check(self) -> None:
        """
        Make sure that this process may still write; asked before every write.

        Costs a look at the clock; where heartbeats failed for too long, an attempt to renew.

        :raises LeaseLostError: when it may not
        """
        if self._lost is None and self._terms.clock.elapsed_s() >= self.expires:
            try:
                self.renew()
            except LeaseLostError:
                raise
            except LedgerError as error:
                raise self._lose(f'no heartbeat was taken in time ({error})') from error
        if self._lost is not None:
            raise LeaseLostError([self._lost])

    def renew(self) -> None:
        """
        Send a heartbeat.

        :raises LeaseLostError: when somebody else has taken over
        :raises LedgerError: when the store can not be reached
        """
        sent_s = self._terms.clock.elapsed_s()
        self._change(lambda entry: {})
        with self._lock:
            self._used_until_s = max(self._used_until_s, sent_s + _USED_SHARE * self.lease_s)

    def hand_over(self, owner: str) -> 'Lease':
        """
        Let another process go on with it: the training that a worker has started.

        :param owner: its name
        :return: the lease of that process
        :raises LeaseLostError: when somebody else has taken over
        """
        sent_s = self._terms.clock.elapsed_s()
        entry = self._change(lambda entry: {'ec2_instance': owner})
        self.is_given_back = True
        return Lease(self._store, entry, self._terms, sent_s)

    def keep_checkpoint(self, location: str, step: int) -> None:
        """
        Note where the next attempt goes on; attempts count anew from there.

        :param location: path or address of the run folder
        :param step: of the newest checkpoint in it
        :raises LeaseLostError: when somebody else has taken over
        """
        self._change(
            lambda entry: {
                'checkpoint_s3_path': location,
                'total_steps': step,
                'failed_attempts': 0 if step > (entry.total_steps or 0) else entry.failed_attempts,
            }
        )

    def succeed(self, result: Result) -> None:
        """
        Note that the training is complete, and free what has waited for it.

        :param result: what it has made
        :raises LeaseLostError: when somebody else has taken over
        """
        self._end(
            lambda entry: {
                'status': Status.SUCCESS,
                'completed_at': stamp(self._terms.clock.now()),
                'artifact_s3_path': result.artifact,
                'best_metric': result.best_metric,
                'best_epoch': result.best_epoch,
                'total_steps': result.total_steps,
                'failed_attempts': 0,
                'failure_reason': None,
            }
        )
        try:
            unblock(self._store)
        except LedgerError as error:
            # Whoever finds nothing else to claim does it.
            logger.warning('%s', error)

    def fail(self, reason: str, *, is_final: bool = False) -> None:
        """
        Note that the training failed.

        :param reason: why
        :param is_final: another attempt would fail as well
        :raises LeaseLostError: when somebody else has taken over
        """
        self._end(
            lambda entry: {
                'status': Status.FAILED,
                'failure_reason': reason[:_MAX_REASON],
                'failed_attempts': entry.max_attempts if is_final else entry.failed_attempts + 1,
            }
        )

    def release(self, reason: str) -> None:
        """
        Give the experiment back: somebody else may go on at once, and no attempt is counted.

        :param reason: why
        :raises LeaseLostError: when somebody else has taken over
        """
        self._end(lambda entry: {'status': Status.PENDING, 'failure_reason': reason[:_MAX_REASON]})

    def _end(self, update: Callable[[Entry], dict[str, Any]]) -> None:
        self._change(lambda entry: {**UNCLAIMED, **update(entry)})
        self.is_given_back = True

    def _change(self, update: Callable[[Entry], dict[str, Any]]) -> Entry:
        """Change the entry that this process holds; every change is a heartbeat."""
        return change(
            self._store,
            self.key,
            lambda entry: dataclasses.replace(
                self._held(entry), **{**self._beat(entry), **update(entry)}
            ),
        )

    def _held(self, entry: Entry) -> Entry:
        if (entry.fencing_token, entry.ec2_instance) != (self.token, self.owner):
            raise self._lose(f'it is {describe_state(entry)} now')
        return entry

    def _beat(self, entry: Entry) -> dict[str, Any]:
        seconds = self._terms.clock.elapsed_s() - self._start_s
        return {
            **lend(self._terms),
            'run_seconds': round(self._claimed.run_seconds + seconds, 1),
            'cost_usd': self._cost_usd(seconds),
        }

    def _cost_usd(self, seconds: float) -> float | None:
        """Add up what all attempts cost; one without a price makes the sum unknown."""
        price, before = self._terms.price_usd_per_hour, self._claimed.cost_usd
        if price is None:
            price = self._claimed.price_usd_per_hour
        if price is None or (before is None and self._claimed.run_seconds > 0):
            return None
        return round((before or 0.0) + seconds / 3600 * price, 4)

    def _lose(self, why: str) -> LeaseLostError:
        self._lost = (
            f'{self.key}: the lease of {self.owner} (token {self.token}) was lost: {why}; nothing '
            f'more is written here'
        )
        return LeaseLostError([self._lost])


def adopt(store: Store, key: Key, holder: tuple[str, int], owner: str, terms: Terms) -> Lease:
    """
    Go on with the lease of the process that started this one.

    :param store: the ledger
    :param key: of the experiment
    :param holder: owner and token of that process
    :param owner: the name of this one
    :param terms: of this one
    :return: its lease
    :raises LeaseLostError: when somebody else has taken over
    """
    entry = get(store, key)
    claimed = dataclasses.replace(entry, ec2_instance=holder[0], fencing_token=holder[1])
    return Lease(store, claimed, terms, terms.clock.elapsed_s()).hand_over(owner)
