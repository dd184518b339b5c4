"""Writes annotated pictures and videos, aside first: what is there under its name is whole."""

from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_training.errors import DataError
from ssd_training.prediction.frame_sources import Frame, FrameSource, Video, VIDEO_SUFFIX


class Writer(Protocol):
    """Takes annotated images."""

    def write(self, frame: Frame, annotated_rgb: NDArray[np.uint8]) -> Path:
        """
        Take one.

        :param frame: that was annotated
        :param annotated_rgb: (H, W, 3) uint8
        :return: the file that it is in, or will be after close
        :raises DataError: when it can't be written
        """

    def close(self) -> None:
        """Finish what was written."""


def open_writer(source: FrameSource, folder: Path) -> Writer:
    """
    Choose how to write the images of a source.

    :param source: where they come from
    :param folder: of the results
    :return: pictures for pictures, a video for the rest
    """
    if isinstance(source, Video):
        return VideoWriter(folder / f'{source.name}{VIDEO_SUFFIX}', source.rate_hz)
    return PictureWriter(folder)


class PictureWriter:
    """
    A file for each picture, named as the picture.

    :param folder: of the results
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, frame: Frame, annotated_rgb: NDArray[np.uint8]) -> Path:
        """
        Write one picture.

        :param frame: that was annotated
        :param annotated_rgb: (H, W, 3) uint8
        :return: the file
        :raises DataError: when it can't be written
        """
        path = self._folder / frame.name
        image_bgr = cv2.cvtColor(annotated_rgb, cv2.COLOR_RGB2BGR)
        is_encoded, encoded = cv2.imencode(path.suffix, image_bgr)
        aside = path.with_name(f'.{path.name}.partial')
        try:
            if not is_encoded:
                raise OSError(f'{path.suffix} can not be encoded')
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(encoded.tobytes())
            aside.replace(path)
        except OSError as error:
            raise DataError([f'{path}: can not be written ({error})']) from error
        return path

    def close(self) -> None:
        """Do nothing: every picture is finished."""


class VideoWriter:
    """
    One video; frames that change their size are brought to that of the first.

    :param path: the file, MP4
    :param rate_hz: of its frames
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path = path
        self._aside = path.with_name(f'.partial_{path.name}')
        self._rate_hz = rate_hz
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)

    def write(self, frame: Frame, annotated_rgb: NDArray[np.uint8]) -> Path:
        """
        Append one frame.

        :param frame: that was annotated
        :param annotated_rgb: (H, W, 3) uint8
        :return: the file; it is there after close
        :raises DataError: when it can't be written
        """
        if self._writer is None:
            self._size_wh = (annotated_rgb.shape[1], annotated_rgb.shape[0])
            self._writer = self._open()
        image_bgr = cv2.cvtColor(annotated_rgb, cv2.COLOR_RGB2BGR)
        if (image_bgr.shape[1], image_bgr.shape[0]) != self._size_wh:
            image_bgr = cv2.resize(image_bgr, self._size_wh)
        self._writer.write(image_bgr)
        return self._path

    def close(self) -> None:
        """Finish the video and give it its name; without a frame there is none."""
        if self._writer is not None:
            self._writer.release()
            self._aside.replace(self._path)

    def _open(self) -> cv2.VideoWriter:
        self._path.parent.mkdir(parents=True, exist_ok=True)
        code = cv2.VideoWriter.fourcc(*'mp4v')
        writer = cv2.VideoWriter(str(self._aside), code, self._rate_hz, self._size_wh)
        if not writer.isOpened():
            raise DataError([f'{self._path}: can not be written as a video'])
        return writer
