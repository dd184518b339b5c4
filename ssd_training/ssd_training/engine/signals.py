"""SIGINT and SIGTERM as a request to stop, looked at between two steps."""

from collections.abc import Iterator
from contextlib import contextmanager
import signal
import threading
from types import FrameType

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """The first signal that came, if any; later ones must not disturb what saves the state."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None

    def receive(self, number: int, _frame: FrameType | None = None) -> None:
        """
        Note a signal.

        :param number: of the signal
        """
        self.signal = self.signal or signal.Signals(number)


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
