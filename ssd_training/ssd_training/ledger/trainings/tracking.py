"""One start of a training, as the ledger sees it: claimed, kept alive, and always ended."""

from collections.abc import Mapping
from contextlib import ExitStack
import json
import logging
import time
from types import TracebackType

from ssd_detector.errors import ConfigError
from ssd_training.errors import (
    InterruptedRun,
    LeaseLostError,
    LedgerError,
    NotClaimableError,
)
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.ledger.leases.heartbeat import kept_alive
from ssd_training.ledger.leases.lease import adopt, Lease, Result
from ssd_training.ledger.opening import find_location, Location, machine_name, read_terms
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.queue.registration import describe_recipe, list_changes
from ssd_training.ledger.stores.entry import Entry, Key, Status
from ssd_training.ledger.stores.store import get, Store

# What a worker tells the training that it starts: the claim that was made for it.
LEASE_VARIABLE = 'SSD_LEASE'
_LOOK_EVERY_S = 1.0
# The lease goes on meanwhile; then somebody else will find it over.
_FINAL_WAITS_S = (1.0, 2.0, 4.0, 8.0)

logger = logging.getLogger(__name__)


class Tracker:
    """
    Keeps the ledger's entry of this process' training; without a ledger it does nothing.

    A context: an error that leaves it becomes the state of the entry. A signal gives the
    experiment back, with the checkpoint that was noted last.

    :param environment: of the process
    """

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._location: Location | None = find_location(environment)
        self._exits = ExitStack()
        self.lease: Lease | None = None

    def __enter__(self) -> 'Tracker':
        """
        Go on with the claim of the worker that started this process, if one did.

        :return: this
        :raises LeaseLostError: when somebody else has taken over since
        """
        handed = self._environment.get(LEASE_VARIABLE)
        if self._location is not None and handed:
            store, terms = self._location.open(), read_terms(self._environment)
            key, holder = read_holder(handed)
            owner = Claims(store, terms, machine_name(self._environment)).new_owner()
            self._hold(adopt(store, key, holder, owner, terms))
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        """Note how it ended."""
        try:
            if self.lease is not None and not self.lease.is_given_back:
                _end(self.lease, error)
        finally:
            self._exits.close()

    @property
    def has_ledger(self) -> bool:
        """Whether there is a ledger, which may know better what to do."""
        return self._location is not None

    def claim(
        self, config: ExperimentConfig, fingerprint: str, git_commit: str | None
    ) -> str | None:
        """
        Claim the experiment, unless a worker has done so.

        :param config: the experiment
        :param fingerprint: 12 hex digits
        :param git_commit: as given
        :return: why there is nothing to train; None where there is
        :raises LedgerError: when it is registered with another recipe, or can not be claimed
        """
        if self._location is None:
            return None
        key, recipe = Key(config.experiment.id, fingerprint), describe_recipe(config, git_commit)
        if self.lease is not None:
            if self.lease.key != key:
                raise ConfigError([_describe_changed(self.lease.entry, key, recipe)])
            return None
        store = self._location.open()
        if not store.get_many([key]):
            if others := store.find(key.experiment_id):
                raise ConfigError([_describe_changed(others[-1], key, recipe)])
            logger.warning(
                '%s: has no %s: nothing is noted there; python -m ssd_training.ledger register '
                'adds it',
                *(store.name, key),
            )
            return None
        return self._claim_patiently(store, key)

    def keep_checkpoint(self, location: str, step: int) -> None:
        """
        Note where the next attempt goes on; a ledger that is not reached stops no training.

        :param location: path or address of the run folder
        :param step: of the newest checkpoint in it
        :raises LeaseLostError: when somebody else has taken over
        """
        if self.lease is None:
            return
        try:
            self.lease.keep_checkpoint(location, step)
        except LeaseLostError:
            raise
        except LedgerError as error:
            logger.warning('checkpoint %d is not noted: %s', step, error)

    def succeed(self, result: Result) -> None:
        """
        Note that the training is complete.

        :param result: what it has made
        :raises LedgerError: when that can not be noted
        """
        if self.lease is not None:
            self.lease.succeed(result)

    def _claim_patiently(self, store: Store, key: Key) -> str | None:
        """Watch the lease of somebody else for as long as it takes to know that it is over."""
        terms = read_terms(self._environment)
        claims = Claims(store, terms, machine_name(self._environment))
        end_s = None
        while True:
            entry = get(store, key)
            if entry.status is Status.SUCCESS:
                return f'{key}: has succeeded already, on {entry.completed_at}'
            try:
                self._hold(claims.claim(key))
                return None
            except NotClaimableError as error:
                if entry.status is not Status.RUNNING:
                    raise
                now_s = terms.clock.elapsed_s()
                if end_s is None:
                    logger.info('%s: watching for %.0f s', error, entry.lease_s or 0)
                    end_s = now_s + (entry.lease_s or 0) + 2 * _LOOK_EVERY_S
                if now_s > end_s:
                    return f'{error}, and alive'
            time.sleep(_LOOK_EVERY_S)

    def _hold(self, lease: Lease) -> None:
        self.lease = lease
        self._exits.enter_context(kept_alive(lease))


def write_holder(lease: Lease) -> str:
    """
    Write down a claim for the process that goes on with it.

    :param lease: of this process
    :return: for LEASE_VARIABLE
    """
    return json.dumps([*lease.key, lease.owner, lease.token])


def read_holder(text: str) -> tuple[Key, tuple[str, int]]:
    """
    Read what write_holder wrote.

    :param text: of LEASE_VARIABLE
    :return: the key of the experiment; owner and fencing token
    :raises ConfigError: when it is something else
    """
    try:
        experiment_id, fingerprint, owner, token = json.loads(text)
        return Key(experiment_id, fingerprint), (str(owner), int(token))
    except ValueError as error:
        raise ConfigError([f'{LEASE_VARIABLE}: {text}: no claim ({error}); unset it']) from error


def _end(lease: Lease, error: BaseException | None) -> None:
    """Note how a training ended that did not succeed; a store that is not reached gets time."""
    if isinstance(error, LeaseLostError):
        return
    for wait_s in (*_FINAL_WAITS_S, None):
        try:
            if error is None:
                lease.release('ended before the training')
            elif isinstance(error, InterruptedRun | KeyboardInterrupt):
                is_preemption = isinstance(error, InterruptedRun) and error.is_preemption
                # The reference's word.
                word = 'spot_preemption: ' if is_preemption else ''
                lease.release(word + (str(error) or 'interrupted'))
            else:
                reason = str(error) or type(error).__name__
                lease.fail(reason, is_final=isinstance(error, ConfigError))
            return
        except LeaseLostError as lost:
            logger.error('%s', lost)
            return
        except LedgerError as unreached:
            logger.error('%s', unreached)
            if wait_s is not None:
                time.sleep(wait_s)


def _describe_changed(registered: Entry, key: Key, recipe: str) -> str:
    changes = '; '.join(list_changes(registered, recipe))
    return (
        f'{key}: is registered with recipe {registered.fingerprint}, and this is another one: '
        f'{changes}; take that back, or register it anew (python -m ssd_training.ledger '
        f'register {registered.experiment_config_path})'
    )
