"""Runs the detector on a thread of its own: the node answers while a frame is processed."""

from collections.abc import Callable
from threading import current_thread, Thread
from typing import Generic, TypeVar

from ssd_detector_ros.frames import FrameQueue

Frame = TypeVar('Frame')


class Worker(Generic[Frame]):
    """
    A thread that processes the frames of a queue, again and again.

    :param frames: where they come from
    :param process: what to do with a frame; handles the errors that it expects
    :param on_failure: called from the thread with the exception that ended it: a bug, not a frame
    """

    def __init__(
        self,
        frames: FrameQueue[Frame],
        process: Callable[[Frame], None],
        *,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self._frames = frames
        self._process = process
        self._on_failure = on_failure
        self._thread = Thread(target=self._run, name='ssd_detector_worker', daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Finish the frame at hand and end the thread."""
        self._frames.close()
        # From Kilted on a shutdown destroys the node at once, also one that a failure asks for.
        if current_thread() is not self._thread:
            self._thread.join()

    def _run(self) -> None:
        try:
            while (frame := self._frames.take()) is not None:
                self._process(frame)
        # A thread that dies in silence would leave a node that looks alive and answers nothing.
        except Exception as error:  # noqa: BLE001
            self._on_failure(error)
