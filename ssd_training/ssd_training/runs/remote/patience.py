"""How long something elsewhere is tried: one deadline for all of it, and an end before it."""

from collections.abc import Callable
from concurrent.futures import CancelledError, Future, InvalidStateError, TimeoutError
import threading
import time
from typing import Any, TypeVar

from ssd_training.errors import RunError

Result = TypeVar('Result')


class CalledOff(RunError):
    """Something that was given up because something else is more urgent."""


class Patience:
    """
    A total deadline, for any number of requests and of attempts at each.

    :param seconds: from now on
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self._end_s = time.monotonic() + seconds
        self._is_off = threading.Event()
        self._waiting_for: Future[Any] | None = None

    @property
    def spent_s(self) -> float:
        """Tell how long it lasts already."""
        return self.seconds - self.remaining_s

    @property
    def remaining_s(self) -> float:
        """Tell what is left of it."""
        return max(0.0, self._end_s - time.monotonic())

    def call_off(self) -> None:
        """End whatever is waited for, from any thread."""
        self._is_off.set()
        if (future := self._waiting_for) is not None:
            future.cancel()

    def pause(self, seconds: float) -> None:
        """
        Wait, but no longer than to the deadline.

        :param seconds: at most
        :raises CalledOff: when it is called off, before or meanwhile
        """
        if self._is_off.wait(min(seconds, self.remaining_s)):
            raise CalledOff(['called off'])

    def result_of(self, future: 'Future[Result]', seconds: float) -> Result:
        """
        Wait for what another thread computes.

        :param future: of it; is cancelled when the time is over
        :param seconds: at most, and no longer than to the deadline
        :return: its result; its exception is raised
        :raises TimeoutError: when the time is over
        :raises CalledOff: when it is called off, before or meanwhile
        """
        self._waiting_for = future
        seconds = min(seconds, self.remaining_s)
        try:
            if self._is_off.is_set():
                future.cancel()
            return future.result(seconds)
        except CancelledError as error:
            raise CalledOff(['called off']) from error
        except TimeoutError as error:
            if future.done():
                # What was computed ran into a timeout of its own.
                raise
            future.cancel()
            raise TimeoutError(f'no answer within {seconds:.0f} s') from error
        finally:
            self._waiting_for = None


def run_aside(action: Callable[[], Result]) -> 'Future[Result]':
    """
    Run something that may block for ever in a thread that is left behind then.

    :param action: the work
    :return: of its result; to cancel it lets go of the thread
    """
    future: Future[Result] = Future()

    def work() -> None:
        try:
            try:
                future.set_result(action())
            # It belongs to whoever asks for the result.
            except Exception as error:  # noqa: BLE001
                future.set_exception(error)
        except InvalidStateError:
            # Nobody waits any more.
            pass

    threading.Thread(target=work, daemon=True, name='store').start()
    return future
