"""Hands the newest frame from the executor's thread to the worker's."""

from threading import Condition
from typing import Generic, TypeVar

Frame = TypeVar('Frame')


class NewestFrame(Generic[Frame]):
    """
    Room for one frame: a newer one takes the place of one that nobody took.

    A detector that is slower than the camera so answers late frames never, instead of all of them
    later and later.
    """

    def __init__(self) -> None:
        self._condition = Condition()
        self._frame: Frame | None = None
        self._is_closed = False

    def put(self, frame: Frame) -> bool:
        """
        Offer a frame; never waits.

        :param frame: the newest
        :return: whether it took the place of another
        """
        with self._condition:
            replaces = self._frame is not None
            self._frame = frame
            self._condition.notify()
            return replaces

    def take(self) -> Frame | None:
        """
        Wait for a frame and take it.

        :return: the newest frame, or None after close()
        """
        with self._condition:
            self._condition.wait_for(lambda: self._is_closed or self._frame is not None)
            frame, self._frame = self._frame, None
            return None if self._is_closed else frame

    def close(self) -> None:
        """End: everyone who waits, now or later, gets None."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
