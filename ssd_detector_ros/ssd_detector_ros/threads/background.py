"""Work that takes long, off the executor's thread, for a service that waits for it."""

from collections.abc import Callable, Generator
from threading import Event, Thread
from typing import cast, Generic, TypeVar

from rclpy.node import Node

Result = TypeVar('Result')


class InBackground(Generic[Result]):
    """
    Runs a function on a thread of its own; `await` gives its result or raises its exception.

    :param function: what to do
    :param on_end: called from that thread afterwards; has to wake the executor, which looks at
        a waiting coroutine only when something happens
    """

    def __init__(self, function: Callable[[], Result], *, on_end: Callable[[], None]) -> None:
        self._function = function
        self._on_end = on_end
        self._is_done = Event()
        self._result: Result | None = None
        self._error: Exception | None = None
        # No daemon: the process would be aborted where it ends amid the work of a C++ library.
        Thread(target=self._run, name='ssd_detector_background').start()

    def __await__(self) -> Generator[None, None, Result]:
        """
        Yield until the function has returned.

        :return: its result
        """
        while not self._is_done.is_set():
            yield
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
