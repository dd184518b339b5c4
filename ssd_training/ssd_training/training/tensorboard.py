"""Event files for TensorBoard; training starts no server: `tensorboard --logdir runs` does."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

FOLDER = 'tensorboard'


class EventWriter:
    """
    Writes scalars and images; whatever was written is on the disk after flush.

    :param writer: from tf.summary, or None to write nothing
    """

    def __init__(self, writer: tf.summary.SummaryWriter | None) -> None:
        self._writer = writer

    def add_scalars(self, step: int, values: Mapping[str, float]) -> None:
        """
        Write numbers.

        :param step: of the training
        :param values: by tag
        """
        if self._writer is not None:
            with self._writer.as_default(step):
                for tag, value in values.items():
                    tf.summary.scalar(tag, value)

    def add_images(self, step: int, tag: str, images: Sequence[NDArray[np.uint8]]) -> None:
        """
        Write images.

        :param step: of the training
        :param tag: of all of them
        :param images: each (H, W, 3) uint8, RGB; sizes may differ
        """
        if self._writer is not None:
            with self._writer.as_default(step):
                for index, image in enumerate(images):
                    tf.summary.image(f'{tag}/{index}', image[None])

    def flush(self) -> None:
        """Force what was written to the disk."""
        if self._writer is not None:
            self._writer.flush()


@contextmanager
def open_events(folder: Path, *, enabled: bool) -> Iterator[EventWriter]:
    """
    Open the event file of one start.

    :param folder: of this start's logs
    :param enabled: write anything at all
    :return: the writer
    """
    writer = tf.summary.create_file_writer(str(folder / FOLDER)) if enabled else None
    try:
        yield EventWriter(writer)
    finally:
        if writer is not None:
            writer.close()
