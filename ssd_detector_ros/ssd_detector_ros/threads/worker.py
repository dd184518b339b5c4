"""Runs the detector on a thread of its own: the node answers while a frame is processed."""

from collections.abc import Callable, Sequence
from threading import current_thread, Thread
from typing import Generic, TypeVar

from ssd_detector_ros.threads.frame_queue import FrameQueue

Frame = TypeVar('Frame')


class Worker(Generic[Frame]):
    """
    A thread that processes the frames of a queue, again and again.

    :param frames: where they come from
    :param process: what to do with frames; handles the errors that it expects
    :param max_batch_size: frames that it is given at once, of different cameras
    :param on_failure: called from the thread with the exception that ended it: a bug, not a frame
    """

    def __init__(
        self,
        frames: FrameQueue[Frame],
        process: Callable[[Sequence[Frame]], None],
        *,
        max_batch_size: int = 1,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._frames = frames
        self._process = process
        self._max_batch_size = max_batch_size
        self._on_failure = on_failure
        self._thread = Thread(target=self._run, name='ssd_detector_worker', daemon=True)
        self._thread.start()

    def stop(self, timeout_s: float | None = None) -> None:
        """
        Finish what is at hand and end the thread.

        :param timeout_s: how long to wait for it; None for as long as it takes
        """
        self._frames.close()
        # From Kilted on a shutdown destroys the node at once, also one that a failure asks for.
        if current_thread() is not self._thread:
            self._thread.join(timeout_s)

    def _run(self) -> None:
        try:
            while frames := self._frames.take(self._max_batch_size):
                self._process(frames)
        # A thread that dies in silence would leave a node that looks alive and answers nothing.
        except Exception as error:  # noqa: BLE001
            self._on_failure(error)
