"""
Clocks of a lease.

A lease is measured with the clock that runs since the machine was started, suspended or not
(CLOCK_BOOTTIME): nobody sets it. Two processes of one boot read the same one.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path
import time

_BOOT_ID = Path('/proc/sys/kernel/random/boot_id')


def _elapsed_s() -> float:
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _boot_id() -> str:
    return _BOOT_ID.read_text().strip() if _BOOT_ID.is_file() else ''


@dataclass(frozen=True)
class Clock:
    """
    The clocks of a machine.

    :param boot_id: of this start of the machine; empty where it is not known
    :param elapsed_s: seconds since then
    :param now: what the machine takes for the time, UTC
    """

    boot_id: str
    elapsed_s: Callable[[], float] = _elapsed_s
    now: Callable[[], datetime] = _now


def machine_clock() -> Clock:
    """
    Give the clocks of this machine.

    :return: see Clock
    """
    return Clock(_boot_id())
