"""On which terms leases are taken, and what of them stands in an entry."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ssd_training.ledger.leases.clock import Clock
from ssd_training.ledger.stores.entry import stamp

DEFAULT_LEASE_S = 60.0

UNCLAIMED: Mapping[str, Any] = {
    'claimed': None,
    'ec2_instance': None,
    'run_timestamp': None,
    'lease_s': None,
    'lease_expires': None,
    'lease_clock': None,
}


@dataclass(frozen=True)
class Terms:
    """
    How leases are taken here.

    :param clock: of this machine
    :param lease_s: how long a lease lasts behind each heartbeat
    :param price_usd_per_hour: of this machine; None when it is not known
    """

    clock: Clock
    lease_s: float = DEFAULT_LEASE_S
    price_usd_per_hour: float | None = None


def lend(terms: Terms) -> dict[str, Any]:
    """
    Say how long a lease lasts that begins now.

    :param terms: of the holder
    :return: attributes of an entry
    """
    clock = terms.clock
    return {
        'lease_s': terms.lease_s,
        'lease_expires': stamp(clock.now() + timedelta(seconds=terms.lease_s)),
        'lease_clock': f'{clock.boot_id}:{clock.elapsed_s() + terms.lease_s:.3f}',
    }
