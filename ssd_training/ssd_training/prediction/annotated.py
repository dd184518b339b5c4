"""Writes annotated pictures and videos, aside first: what is there under its name is whole."""

import errno
import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_training.errors import DataError
from ssd_training.prediction.frame_sources import (
    Frame,
    FrameSource,
    Pictures,
    Unreadable,
    VIDEO_SUFFIX,
)

# The next picture has another name; a full disk it would find as well.
_FAULTS_OF_NAMES = {errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.ELOOP, errno.EINVAL}


class Writer(Protocol):
    """Takes annotated images."""

    def write(self, frame: Frame, annotated_rgb: NDArray[np.uint8]) -> Path | Unreadable:
        """
        Take one.

        :param frame: that was annotated
        :param annotated_rgb: (H, W, 3) uint8
        :return: the file that it is in, or will be after close; or why this one can't be written
        :raises DataError: when none can be written
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
    if isinstance(source, Pictures):
        return PictureWriter(folder)
    return VideoWriter(folder / f'{source.name}{VIDEO_SUFFIX}', source.rate_hz)


class PictureWriter:
    """
    A file for each picture, named as the picture.

    :param folder: of the results
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def write(self, frame: Frame, annotated_rgb: NDArray[np.uint8]) -> Path | Unreadable:
        """
        Write one picture.

        :param frame: that was annotated
        :param annotated_rgb: (H, W, 3) uint8
        :return: the file, or why this one can't be written
        :raises DataError: when none can be written
        """
        path = self._folder / frame.name
        content = _encode(annotated_rgb, path.suffix)
        if content is None:
            height_px, width_px = annotated_rgb.shape[:2]
            fault = f'a copy of {width_px}x{height_px} pixels can not be written as {path.suffix}'
            return Unreadable(frame.name, f'{frame.name}: {fault}; make it PNG')
        # A name of its own: one with something added may be too long.
        aside = path.with_name(f'.{os.getpid()}.partial')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(content)
            aside.replace(path)
        except OSError as error:
            text = f'can not be written ({error.strerror})'
            if error.errno in _FAULTS_OF_NAMES:
                return Unreadable(frame.name, f'{frame.name}: a copy {text}')
            raise DataError([f'{path}: {text}']) from error
        return path

    def close(self) -> None:
        """Do nothing: every picture is finished."""


def _encode(image_rgb: NDArray[np.uint8], suffix: str) -> bytes | None:
    try:
        is_encoded, encoded = cv2.imencode(suffix, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
    except cv2.error:
        return None
    return encoded.tobytes() if is_encoded else None


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
