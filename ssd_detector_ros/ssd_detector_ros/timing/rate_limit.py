"""Thins out frames to a highest rate."""

from collections.abc import Callable
import time


class RateLimit:
    """
    Admits frames on a grid of times, so that a camera of 30 Hz limited to 20 gives 20, not 15.

    :param clock: in seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._due_s = clock()

    def admits(self, max_rate_hz: float) -> bool:
        """
        Ask for a frame that arrives now.

        :param max_rate_hz: 0 for no limit
        :return: whether it may be processed
        """
        if max_rate_hz <= 0:
            return True
        now_s, period_s = self._clock(), 1 / max_rate_hz
        # A rate that was lower before may have put the next time far off.
        self._due_s = min(self._due_s, now_s + period_s)
        if now_s < self._due_s:
            return False
        # After a pause the grid starts anew: what was not sent is not made up for.
        self._due_s = max(self._due_s + period_s, now_s + period_s / 2)
        return True
