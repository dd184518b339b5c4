"""
When the lease of somebody else is over, although clocks of machines may differ by minutes.

* On the same start of the same machine both read one clock: the end that the holder wrote counts.
* Elsewhere an entry is watched: where its version stays for a whole lease, by the watcher's own
  clock, no heartbeat came. The holder has stopped by then: its last heartbeat was sent before the
  first look.
* Without watching, where the end is longer ago than clocks can differ: AWS refuses requests of
  machines whose clock is more than five minutes off, so that two of them differ by ten at most.
"""

from datetime import datetime, timedelta

from ssd_training.ledger.leases.clock import Clock
from ssd_training.ledger.stores.entry import Entry, Key

_MAX_CLOCK_DIFFERENCE = timedelta(minutes=15)


class Watch:
    """
    Remembers what entries looked like, and since when.

    :param clock: of this machine
    """

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._seen: dict[Key, tuple[int, float]] = {}

    def is_over(self, entry: Entry) -> bool:
        """
        Tell whether a lease is over; asked again and again, it will know.

        :param entry: running, read just now
        :return: false also while that is not known yet; one without a lease never ends
        """
        if entry.lease_s is None or entry.lease_expires is None:
            return False
        boot_id, _, end_s = (entry.lease_clock or '').partition(':')
        now_s = self._clock.elapsed_s()
        if boot_id and boot_id == self._clock.boot_id:
            return now_s >= float(end_s)
        expires = datetime.fromisoformat(entry.lease_expires)
        if self._clock.now() > expires + _MAX_CLOCK_DIFFERENCE:
            return True
        version, since_s = self._seen.setdefault(entry.key, (entry.version, now_s))
        if version != entry.version:
            self._seen[entry.key] = (entry.version, now_s)
            return False
        return now_s - since_s >= entry.lease_s
