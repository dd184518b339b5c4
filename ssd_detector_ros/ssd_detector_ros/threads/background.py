"""Work that takes long, off the executor's thread, for a service that waits for it."""

from collections.abc import Callable, Generator
import math
from threading import Event, Thread
import time
from typing import cast, Generic, TypeVar

from rclpy.node import Node

from ssd_detector import SsdDetectorError

Result = TypeVar('Result')
_LOOK_S = 0.05


class TookTooLongError(SsdDetectorError):
    """Work that was not done in time; its thread was left to itself."""


class InBackground(Generic[Result]):
    """
    Runs a function on a thread of its own; `await` gives its result or raises its exception.

    A thread that is left to itself ends with the process, at the latest (see program.py).

    :param function: what to do
    :param on_end: called from that thread afterwards; has to wake the executor, which looks at
        a waiting coroutine only when something happens
    :param what: is done, for messages
    :param timeout_s: how long it is waited for
    """

    def __init__(
        self,
        function: Callable[[], Result],
        *,
        on_end: Callable[[], None],
        what: str,
        timeout_s: float = math.inf,
    ) -> None:
        self._function = function
        self._on_end = on_end
        self._what = what
        self._timeout_s = timeout_s
        self._deadline_s = time.monotonic() + timeout_s
        self._is_done = Event()
        self._result: Result | None = None
        self._error: Exception | None = None
        Thread(target=self._run, name='ssd_detector_background', daemon=True).start()

    def __await__(self) -> Generator[None, None, Result]:
        """
        Yield until the function has returned.

        :return: its result
        :raises TookTooLongError: when it did not in time
        """
        # The node's timer of a second wakes the executor, so that a deadline is not missed.
        while not self._is_done.is_set():
            self._check_deadline()
            yield
        return self._take()

    def wait(self, go_on: Callable[[], bool]) -> Result:
        """
        Wait for the function, where nothing else can be done meanwhile.

        :param go_on: asked again and again; false ends the waiting
        :return: the result
        :raises TookTooLongError: when it did not end in time, or is not waited for any more
        """
        while not self._is_done.wait(_LOOK_S):
            self._check_deadline()
            if not go_on():
                raise TookTooLongError(f'{self._what}: not waited for, as the node ends')
        return self._take()

    def _check_deadline(self) -> None:
        if time.monotonic() > self._deadline_s:
            raise TookTooLongError(
                f'{self._what}: not done within {self._timeout_s:g} s; it is left to itself'
            )

    def _take(self) -> Result:
        if self._error is not None:
            raise self._error
        return cast('Result', self._result)

    def _run(self) -> None:
        try:
            self._result = self._function()
        # It is raised again where the result is awaited.
        except Exception as error:  # noqa: BLE001
            self._error = error
        self._is_done.set()
        self._on_end()


def waker_of(node: Node) -> Callable[[], None]:
    """
    Give what wakes the executor that spins a node.

    :param node: spinning
    :return: for on_end of InBackground
    """

    def wake() -> None:
        # None when the node was taken down in the meantime.
        if node.executor is not None:
            node.executor.wake()

    return wake
