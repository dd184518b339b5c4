"""Work that takes long, off the executor's thread, for a service that waits for it."""

from collections.abc import Callable, Generator
from threading import Event, Thread
from typing import cast, Generic, TypeVar

Result = TypeVar('Result')
# An executor asks a waiting coroutine again and again; this keeps it from doing so all the time,
# and is how much later other callbacks may run.
_PAUSE_S = 0.002


class InBackground(Generic[Result]):
    """
    Runs a function on a thread of its own; `await` gives its result or raises its exception.

    :param function: what to do
    """

    def __init__(self, function: Callable[[], Result]) -> None:
        self._function = function
        self._is_done = Event()
        self._result: Result | None = None
        self._error: Exception | None = None
        Thread(target=self._run, name='ssd_detector_background', daemon=True).start()

    def __await__(self) -> Generator[None, None, Result]:
        """
        Yield until the function has returned.

        :return: its result
        """
        while not self._is_done.wait(_PAUSE_S):
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
