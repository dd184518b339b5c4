"""The thread that keeps a lease while its process lives."""

from collections.abc import Iterator
from contextlib import contextmanager
import logging
import threading

from ssd_training.errors import LeaseLostError, LedgerError
from ssd_training.ledger.leases.lease import Lease

# Several may fail before the lease is over.
_BEATS_PER_LEASE = 5

logger = logging.getLogger(__name__)


@contextmanager
def kept_alive(lease: Lease) -> Iterator[None]:
    """
    Send heartbeats while the block runs; a process that is stopped sends none.

    A lease that was lost is told by Lease.check.

    :param lease: until it is given back
    :return: nothing
    """
    ended = threading.Event()
    thread = threading.Thread(target=_beat, args=(lease, ended), name='heartbeat', daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


def _beat(lease: Lease, ended: threading.Event) -> None:
    while not ended.wait(lease.lease_s / _BEATS_PER_LEASE):
        if lease.is_given_back:
            return
        try:
            lease.renew()
        except LeaseLostError:
            # Lease.check says it to who wants to write.
            return
        except LedgerError as error:
            logger.warning('no heartbeat: %s', error)
