"""Serves with a backend that is there while a better one is being made."""

from collections.abc import Callable
import logging
from threading import Thread
import time

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backends.backend import Backend, Notice, RawOutputs

Make = Callable[[Callable[[str], None]], Backend]

logger = logging.getLogger(__name__)


class StandInBackend:
    """
    Runs one backend until another is ready, then that one; an image never waits for the change.

    :param now: serves from the start, and goes on when the other can't be made
    :param make: gives the other one, in minutes; runs on a thread of its own and is given what
        to tell its progress to
    :param reason: why there is something to make
    """

    def __init__(self, now: Backend, make: Make, reason: str) -> None:
        self._backend = now
        self._make = make
        self._reason = reason
        self._tell('it begins')
        self._thread = Thread(target=self._improve, name='engine_build', daemon=True)
        self._thread.start()

    @property
    def description(self) -> str:
        """Who runs what at this moment."""
        return self._backend.description

    @property
    def notice(self) -> Notice:
        """What is being made and why, then what became of it."""
        return self._notice

    def run(self, input_image: NDArray[np.float32]) -> RawOutputs:
        """
        Run the model on one image.

        :param input_image: (1, S, S, 3) float32, RGB in [0, 1]
        :return: its outputs, without B
        :raises BackendError: when the runtime refuses the input or fails
        """
        return self._backend.run(input_image)

    def wait(self) -> None:
        """Return when the other backend is there, or can't be made."""
        self._thread.join()

    def _tell(self, progress: str) -> None:
        self._notice = Notice(
            f'building a TensorRT engine ({self._reason}): {progress}; '
            f'{self._backend.description} serves until then'
        )

    def _improve(self) -> None:
        start_s = time.monotonic()
        try:
            self._backend = self._make(self._tell)
        # The thread has no caller who could catch it, and detection has to go on.
        except Exception as error:  # noqa: BLE001
            self._notice = Notice(
                f'no TensorRT engine ({self._reason}): {error}; '
                f'{self._backend.description} goes on',
                needs_action=True,
            )
            logger.error('%s', self._notice)
            return
        duration_s = time.monotonic() - start_s
        self._notice = Notice(f'TensorRT engine built in {duration_s:.0f} s ({self._reason})')
        logger.info('%s', self._notice)
