"""Where the images to predict come from: a picture, a folder, a video, a camera, a stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_training.data.images.decoding import Decoding
from ssd_training.data.images.records import ImageFile
from ssd_training.errors import DataError
from ssd_training.prediction.mjpeg import open_stream, read_parts

VIDEO_SUFFIX = '.mp4'
TIMEOUT_S = 10.0
PART_TIMEOUT_S = 30.0
# A video's header may promise a little more than there is.
_ALLOWED_MISSING = 0.02
DEFAULT_RATE_HZ = 25.0


@dataclass(frozen=True, eq=False)
class Frame:
    """
    One image.

    :param name: of the file, below the folder that was given; of the video or camera
    :param image_rgb: (H, W, 3) uint8
    :param index: in its video, from 0; None for a picture
    """

    name: str
    image_rgb: NDArray[np.uint8]
    index: int | None = None


@dataclass(frozen=True)
class Unreadable:
    """
    What can't be read.

    :param name: as of Frame
    :param reason: in a sentence
    """

    name: str
    reason: str


@dataclass(frozen=True)
class LeftOut:
    """
    What lies among pictures, holds some, and is not looked into.

    :param name: as of Frame
    :param reason: in a sentence, with what to do
    """

    name: str
    reason: str

    @classmethod
    def of(cls, name: str, fault: str) -> 'LeftOut':
        """
        Put a fault into a sentence.

        :param name: as of Frame
        :param fault: what it is, and what to do
        :return: what was left out
        """
        return cls(name, f'left out: {name}: {fault}')


@dataclass(frozen=True)
class Pictures:
    """
    Picture files.

    :param paths: of the files
    :param root: that their names start from
    :param decoding: how
    :param others: what lies beside them and is not read
    """

    paths: tuple[Path, ...]
    root: Path
    decoding: Decoding
    others: tuple[Unreadable | LeftOut, ...] = ()

    @property
    def total(self) -> int:
        """The number of images."""
        return len(self.paths)

    def frames(self) -> Iterator[Frame | Unreadable | LeftOut]:
        """
        Read one after the other.

        :return: each picture, or why it can't be read; at last what lies beside them
        """
        for path in self.paths:
            name = str(path.relative_to(self.root))
            try:
                content = ImageFile(path, decoding=self.decoding).read_bytes()
                yield Frame(name, self.decoding.decode(content, name))
            except DataError as error:
                yield Unreadable(name, '; '.join(error.findings))
        yield from self.others


@dataclass(frozen=True)
class Video:
    """
    A video file, a camera or a stream.

    :param address: as OpenCV takes it: a path or URL, or the index of a camera
    :param name: of the results
    :param total: the number of frames; None when there is no end to be seen
    :param rate_hz: frames a second
    """

    address: str | int
    name: str
    total: int | None
    rate_hz: float

    def frames(self) -> Iterator[Frame | Unreadable]:
        """
        Read one after the other, to the end.

        :return: each frame; at last, that a file ended too early
        :raises DataError: when it can't be opened
        """
        with open_capture(self.address) as capture:
            index = 0
            while True:
                is_there, image_bgr = capture.read()
                if not is_there:
                    break
                image_rgb = cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB)
                yield Frame(self.name, np.asarray(image_rgb, np.uint8), index)
                index += 1
            if index == 0 or index < (self.total or 0) * (1 - _ALLOWED_MISSING):
                yield Unreadable(
                    self.name, f'{self.name}: {index} of {self.total or "?"} frames can be read'
                )


@dataclass(frozen=True)
class MjpegStream:
    """
    JPEG after JPEG over HTTP.

    :param url: http or https
    :param name: of the results
    :param decoding: how
    """

    url: str
    name: str
    decoding: Decoding
    total: None = None
    rate_hz: float = DEFAULT_RATE_HZ

    def frames(self) -> Iterator[Frame | Unreadable]:
        """
        Read one after the other, to the end.

        :return: each frame, or why it can't be read; at last, what ended a stream that is none
        """
        index = 0
        with open_stream(self.url, timeout_s=TIMEOUT_S) as opened:
            try:
                parts = read_parts(*opened, timeout_s=PART_TIMEOUT_S) if opened else ()
                for content in parts:
                    yield self._decode(content, index)
                    index += 1
            except DataError as error:
                yield Unreadable(self.name, f'{self.name}: after {index} frames {error}')
                return
        if index == 0:
            yield Unreadable(self.name, f'{self.name}: no frame can be read')

    def _decode(self, content: bytes, index: int) -> Frame | Unreadable:
        try:
            return Frame(self.name, self.decoding.decode(content, f'{self.name} #{index}'), index)
        except DataError as error:
            return Unreadable(self.name, '; '.join(error.findings))


FrameSource = Pictures | Video | MjpegStream


@contextmanager
def open_capture(address: str | int) -> Iterator[cv2.VideoCapture]:
    """
    Open a video, a camera or a stream of FFmpeg's.

    :param address: as of Video
    :return: what is open
    :raises DataError: when it can't be opened
    """
    capture = _open(address)
    try:
        if not capture.isOpened():
            raise DataError([_describe_failure(address)])
        yield capture
    finally:
        capture.release()


def _open(address: str | int) -> cv2.VideoCapture:
    if isinstance(address, int):
        return cv2.VideoCapture(address)
    timeouts = (cv2.CAP_PROP_OPEN_TIMEOUT_MSEC, cv2.CAP_PROP_READ_TIMEOUT_MSEC)
    options = [part for timeout in timeouts for part in (timeout, round(1e3 * TIMEOUT_S))]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, options)


def _describe_failure(address: str | int) -> str:
    if isinstance(address, int):
        return f'camera {address}: can not be opened; see ls /dev/video*, and whether it is in use'
    if '://' in address:
        return f'{name_of(address)}: no stream there; try the address in a browser or ffplay'
    return f'{address}: can not be opened as a video; convert it (ffmpeg) or check the file'


def name_of(url: str) -> str:
    """
    Make a file name of host and path, without user and password.

    :param url: of a stream
    :return: letters, digits, dots, dashes and underscores
    """
    place = url.split('://', 1)[1].split('?')[0].rpartition('@')[2]
    return ''.join(
        letter if letter.isalnum() or letter in '.-' else '_' for letter in place
    ).strip('_')
