"""Writes annotated pictures and videos, aside first: what is there under its name is whole."""

from contextlib import suppress
from dataclasses import dataclass
import errno
import os
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_training.command_line import PREDICTED_MARK
from ssd_training.errors import DataError
from ssd_training.prediction.frame_sources import Frame, FrameSource, Pictures, VIDEO_SUFFIX

# The next picture has another name, and may be of another folder; a full disk it finds as well.
_FAULTS_OF_NAMES = {
    *(errno.ENAMETOOLONG, errno.EISDIR, errno.ENOTDIR, errno.EEXIST, errno.ELOOP, errno.EINVAL),
    errno.EILSEQ,
}
_FAULTS_OF_DISKS = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
# OpenCV reads what the content says, and writes by a name; not by all names that it reads.
_WRITTEN_AS = {'.jfif': '.jpg'}
_WHAT_IS_MARKED = (
    'These pictures were written by ssd_training.predict, with boxes drawn in.\n'
    '`data prepare` does not learn from them; remove this file if it shall.\n'
)


@dataclass(frozen=True)
class Unwritten:
    """
    A copy that can't be written.

    :param reason: in a sentence
    :param is_last: whether no other can be written either
    """

    reason: str
    is_last: bool = False


class Writer(Protocol):
    """Takes annotated images."""

    def write(self, frame: Frame, annotated_rgb: NDArray[np.uint8]) -> Path | Unwritten:
        """
        Take one.

        :param frame: that was annotated
        :param annotated_rgb: (H, W, 3) uint8
        :return: the file that it is in, or will be after close; or why it can't be written
        """

    def close(self) -> None:
        """
        Finish what was written.

        :raises DataError: when that can't be done
        """


def open_writer(source: FrameSource, folder: Path) -> Writer:
    """
    Choose how to write the images of a source.

    :param source: where they come from
    :param folder: of the results; made where there is none
    :return: pictures for pictures, a video for the rest
    :raises DataError: when there can't be such a folder
    """
    advice = 'give another one for the annotated copies'
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # In a folder with other pictures, these would be taken for results, too.
        if isinstance(source, Pictures) and not any(folder.iterdir()):
            (folder / PREDICTED_MARK).write_text(_WHAT_IS_MARKED, encoding='utf-8')
    except FileExistsError as error:
        raise DataError([f'{folder}: is no folder; {advice}']) from error
    except OSError as error:
        raise DataError([f'{folder}: can not be made ({error.strerror}); {advice}']) from error
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

    def write(self, frame: Frame, annotated_rgb: NDArray[np.uint8]) -> Path | Unwritten:
        """
        Write one picture.

        :param frame: that was annotated
        :param annotated_rgb: (H, W, 3) uint8
        :return: the file, or why it can't be written
        """
        path = self._folder / frame.name
        content = _encode(annotated_rgb, path.suffix)
        if content is None:
            height_px, width_px = annotated_rgb.shape[:2]
            fault = f'a copy of {width_px}x{height_px} pixels can not be written as {path.suffix}'
            return Unwritten(f'{frame.name}: {fault}; make it PNG')
        # A name of its own: one with something added may be too long.
        aside = path.with_name(f'.{os.getpid()}.partial')
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            aside.write_bytes(content)
            aside.replace(path)
        except OSError as error:
            with suppress(OSError):
                aside.unlink()
            if self._is_last(path, error):
                return _end(path, error)
            return Unwritten(f'{frame.name}: a copy can not be written ({error.strerror})')
        return path

    def close(self) -> None:
        """Do nothing: every picture is finished."""

    def _is_last(self, path: Path, error: OSError) -> bool:
        if error.errno in _FAULTS_OF_NAMES:
            return False
        return error.errno in _FAULTS_OF_DISKS or path.parent == self._folder


def _encode(image_rgb: NDArray[np.uint8], suffix: str) -> bytes | None:
    suffix = _WRITTEN_AS.get(suffix.lower(), suffix)
    try:
        is_encoded, encoded = cv2.imencode(suffix, cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR))
    except cv2.error:
        return None
    return encoded.tobytes() if is_encoded else None


def _end(path: Path, error: OSError) -> Unwritten:
    text = f'{path}: can not be written ({error.strerror})'
    return Unwritten(f'{text}; stopped, for no other copy can be', is_last=True)


class VideoWriter:
    """
    One video; frames that change their size are brought to that of the first.

    :param path: the file, MP4
    :param rate_hz: of its frames
    """

    def __init__(self, path: Path, rate_hz: float) -> None:
        self._path = path
        self._aside = path.with_name(f'.{os.getpid()}.partial{VIDEO_SUFFIX}')
        self._rate_hz = rate_hz
        self._writer: cv2.VideoWriter | None = None
        self._size_wh = (0, 0)

    def write(self, frame: Frame, annotated_rgb: NDArray[np.uint8]) -> Path | Unwritten:
        """
        Append one frame.

        :param frame: that was annotated
        :param annotated_rgb: (H, W, 3) uint8
        :return: the file, which is there after close; or why there will be none
        """
        if self._writer is None:
            self._size_wh = (annotated_rgb.shape[1], annotated_rgb.shape[0])
            try:
                self._writer = self._open()
            except OSError as error:
                return _end(self._path, error)
        image_bgr = cv2.cvtColor(annotated_rgb, cv2.COLOR_RGB2BGR)
        if (image_bgr.shape[1], image_bgr.shape[0]) != self._size_wh:
            image_bgr = cv2.resize(image_bgr, self._size_wh)
        self._writer.write(image_bgr)
        return self._path

    def close(self) -> None:
        """
        Finish the video and give it its name; without a frame there is none.

        :raises DataError: when it can't have the name
        """
        if self._writer is None:
            return
        self._writer.release()
        try:
            self._aside.replace(self._path)
        except OSError as error:
            fault = f'can not be written ({error.strerror}); the video is {self._aside}'
            raise DataError([f'{self._path}: {fault}']) from error

    def _open(self) -> cv2.VideoWriter:
        # OpenCV does not tell why it can't.
        self._aside.touch()
        code = cv2.VideoWriter.fourcc(*'mp4v')
        writer = cv2.VideoWriter(str(self._aside), code, self._rate_hz, self._size_wh)
        if not writer.isOpened():
            self._aside.unlink()
            raise OSError(errno.EINVAL, 'OpenCV makes no video of it')
        return writer
