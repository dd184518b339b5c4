"""SIGINT and SIGTERM as a request to stop, looked at between two steps."""

from collections.abc import Iterator
from contextlib import contextmanager
import os
import signal
import threading
from types import FrameType

from ssd_training.errors import InterruptedRun

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class StopRequest:
    """The first signal that came, if any; later ones must not disturb what saves the state."""

    def __init__(self) -> None:
        self.signal: signal.Signals | None = None
        # What a cloud said before it takes the machine away.
        self.notice: str | None = None
        self._is_deferred = False
        # Signals arrive in the main thread alone.
        self.listens = threading.current_thread() is threading.main_thread()

    def listen(self) -> None:
        """Have the signals delivered here."""
        if self.listens:
            for number in _SIGNALS:
                signal.signal(number, self._receive)

    def defer(self) -> None:
        """From here on only note a signal: there is a state to be saved."""
        self._is_deferred = True
        # With several workers TensorFlow takes SIGTERM for itself when it starts.
        self.listen()

    def warn(self, notice: str) -> None:
        """
        Ask for an end as SIGTERM does, from any thread.

        :param notice: why, to be told
        """
        self.notice = notice
        if self.listens:
            os.kill(os.getpid(), signal.SIGTERM)
        elif self.signal is None:
            self.signal = signal.SIGTERM

    @property
    def reason(self) -> str:
        """Tell what asked for the end."""
        if self.signal is None:
            return 'another worker received a signal'
        return self.notice or self.signal.name

    def _receive(self, number: int, _frame: FrameType | None = None) -> None:
        if self.signal is not None:
            return
        self.signal = signal.Signals(number)
        if not self._is_deferred:
            raise InterruptedRun(
                number,
                f'{self.reason} before the first step: nothing was trained',
                is_preemption=self.notice is not None,
            )


@contextmanager
def stop_on_signals() -> Iterator[StopRequest]:
    """
    Turn signals into a request while the block runs; until it is deferred, into InterruptedRun.

    :return: the request; outside of the main thread it stays empty
    """
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    request = StopRequest()
    request.listen()
    try:
        yield request
    finally:
        if request.listens:
            for number, handler in before.items():
                signal.signal(number, handler)
