"""Entries, clocks and environments for the tests of the ledger."""

import dataclasses
from datetime import datetime, timedelta, timezone

from ssd_training.ledger.leases.clock import Clock, machine_clock
from ssd_training.ledger.leases.terms import Terms
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.stores.entry import Entry

ENVIRONMENT = {
    'AWS_ACCESS_KEY_ID': 'nobody',
    'AWS_SECRET_ACCESS_KEY': 'nothing',
    'AWS_DEFAULT_REGION': 'us-east-1',
}
_START = datetime(2026, 1, 1, tzinfo=timezone.utc)


def make_entry(name: str = 'exp', number: int = 1, **values) -> Entry:
    """Make an entry; the number is the order of registration, and the fingerprint."""
    registered_at = (_START + timedelta(seconds=number)).isoformat(timespec='microseconds')
    return Entry(name, f'{number:012x}', registered_at=registered_at, version=1, **values)


class FakeClock:
    """
    A machine's clocks, turned by hand.

    :param boot_id: of the machine
    :param skew_s: of its wall clock
    """

    def __init__(self, boot_id: str = 'here', skew_s: float = 0.0) -> None:
        self.s = 1000.0
        self.skew_s = skew_s
        self.clock = Clock(
            boot_id,
            elapsed_s=lambda: self.s,
            now=lambda: _START + timedelta(seconds=self.s + self.skew_s),
        )

    def claims(self, store, *, lease_s: float = 60.0, price: float | None = None) -> Claims:
        """Claim for a worker on this machine."""
        return Claims(store, Terms(self.clock, lease_s, price), self.clock.boot_id)


def real_claims(store, *, lease_s: float = 60.0) -> Claims:
    """Claim by the clock of this machine."""
    return Claims(store, dataclasses.replace(Terms(machine_clock()), lease_s=lease_s), 'here')
