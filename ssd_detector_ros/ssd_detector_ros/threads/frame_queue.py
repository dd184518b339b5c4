"""Hands frames from the executor's thread to the worker's: how many wait, whose turn it is."""

from collections import deque
from threading import Condition
from typing import Generic, TypeVar

Frame = TypeVar('Frame')


class FrameQueue(Generic[Frame]):
    """
    Frames that wait, by camera; the cameras take turns.

    With room for one, a newer frame takes the place of one that nobody took: a detector that is
    slower than the camera so answers late frames never, instead of all of them later and later.

    :param num_cameras: at least 1
    :param capacity: frames of one camera that may wait
    """

    def __init__(self, num_cameras: int, *, capacity: int) -> None:
        self._condition = Condition()
        self._waiting: list[deque[Frame]] = [deque() for _ in range(num_cameras)]
        self._capacity = capacity
        self._next_camera = 0
        self._is_closed = False

    def put(self, camera_index: int, frame: Frame) -> bool:
        """
        Offer a frame; never waits.

        :param camera_index: whose frame it is
        :param frame: the newest
        :return: whether the camera's oldest frame had to go for it
        """
        with self._condition:
            waiting = self._waiting[camera_index]
            is_full = len(waiting) >= self._capacity
            if is_full:
                waiting.popleft()
            waiting.append(frame)
            self._condition.notify()
            return is_full

    def take(self, limit: int = 1) -> list[Frame]:
        """
        Wait for a frame and take it, and those of other cameras that wait at this moment.

        :param limit: frames at most
        :return: the oldest frame of the camera whose turn it is, of the next one, and so on; empty
            after close()
        """
        with self._condition:
            self._condition.wait_for(lambda: self._is_closed or any(self._waiting))
            if self._is_closed:
                return []
            num_cameras = len(self._waiting)
            turns = [(self._next_camera + step) % num_cameras for step in range(num_cameras)]
            served = [turn for turn in turns if self._waiting[turn]][:limit]
            self._next_camera = (served[-1] + 1) % num_cameras
            return [self._waiting[camera].popleft() for camera in served]

    def close(self) -> None:
        """End: everyone who waits, now or later, gets nothing."""
        with self._condition:
            self._is_closed = True
            self._condition.notify_all()
