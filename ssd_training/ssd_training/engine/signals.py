"""SIGINT and SIGTERM as a request to stop, looked at between two steps."""

from collections.abc import Iterator
from contextlib import contextmanager
import signal
import threading
from types import FrameType

from ssd_training.errors import InterruptedRun

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """The first signal that came, if any; later ones must not disturb what saves the state."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        self._is_deferred = False

    def defer(self) -> None:
        """From here on only note a signal: there is a state to be saved."""
        self._is_deferred = True

    def receive(self, number: int, _frame: FrameType | None = None) -> None:
        """
        Take a signal.

        :param number: of the signal
        :raises InterruptedRun: before defer, when nothing is lost
        """
        if self.signal is not None:
            return
        self.signal = signal.Signals(number)
        if not self._is_deferred:
            raise InterruptedRun(
                number, f'{self.signal.name} before the first step: nothing was trained'
            )


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """
    Turn signals into a request while the block runs.

    :return: the request; outside of the main thread, where signals never arrive, it stays empty
    """
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return
    before = {number: signal.signal(number, request.receive) for number in _SIGNALS}
    try:
        yield request
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
