"""Where the images to predict come from: a picture, a folder, a video, a camera, a stream."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.errors import ConfigError
from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_training.data.images.records import ImageFile
from ssd_training.errors import DataError

VIDEO_SUFFIX = '.mp4'
_TIMEOUT_MS = 10_000
# A video's header may promise a little more than there is.
_ALLOWED_MISSING = 0.02
_DEFAULT_RATE_HZ = 25.0


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
class Pictures:
    """
    Picture files.

    :param paths: of the files
    :param root: that their names start from
    """

    paths: tuple[Path, ...]
    root: Path

    @property
    def total(self) -> int:
        """The number of images."""
        return len(self.paths)

    def frames(self) -> Iterator[Frame | Unreadable]:
        """
        Read one after the other.

        :return: each picture, or why it can't be read
        """
        for path in self.paths:
            name = str(path.relative_to(self.root))
            try:
                image = ImageFile(path)
                yield Frame(name, image.decoding.decode(image.read_bytes(), name))
            except DataError as error:
                yield Unreadable(name, '; '.join(error.findings))


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
        with _capture(self.address) as capture:
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


FrameSource = Pictures | Video


def open_frame_source(given: str, output_dir: Path) -> FrameSource:
    """
    Find out what an argument means.

    :param given: a picture, a folder of them, a video, a camera's index, a URL
    :param output_dir: of the results; left out when it is below the folder that is searched
    :return: the source
    :raises ConfigError: when it is none of them, or the results would replace it
    :raises DataError: when video, camera or stream can't be opened
    """
    path = Path(given)
    if given.isdigit() and not path.exists():
        return _open_video(int(given), f'camera_{given}')
    if '://' in given:
        return _open_video(given, _name_of(given))
    if path.is_dir():
        return _open_pictures(_find_pictures(path, output_dir.resolve()), path, output_dir)
    if not path.is_file():
        raise ConfigError(
            [
                f'{given}: no such file or folder; expected a picture, a folder of pictures, a '
                f'video, the index of a camera, or a URL'
            ]
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_pictures((path,), path.parent, output_dir)
    if (output_dir / f'{path.stem}{VIDEO_SUFFIX}').resolve() == path.resolve():
        raise ConfigError([f'--output_dir: {path} would be replaced; give another folder'])
    return _open_video(given, path.stem)


def _open_pictures(paths: tuple[Path, ...], root: Path, output_dir: Path) -> Pictures:
    given = {path.resolve() for path in paths}
    if any((output_dir / path.relative_to(root)).resolve() in given for path in paths):
        raise ConfigError(
            [f'--output_dir: {output_dir}: its pictures would be replaced; give another folder']
        )
    return Pictures(paths, root)


def _find_pictures(folder: Path, left_out: Path) -> tuple[Path, ...]:
    has_results = folder.resolve() in left_out.parents
    paths = tuple(
        path
        for path in sorted(folder.rglob('*'))
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not (has_results and left_out in path.resolve().parents)
    )
    if not paths:
        raise ConfigError([f'{folder}: holds no picture ({", ".join(IMAGE_SUFFIXES)})'])
    return paths


def _name_of(url: str) -> str:
    """Make a file name of host and path, without user and password."""
    place = url.split('://', 1)[1].split('?')[0].rpartition('@')[2]
    return ''.join(
        letter if letter.isalnum() or letter in '.-' else '_' for letter in place
    ).strip('_')


def _open_video(address: str | int, name: str) -> Video:
    with _capture(address) as capture:
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
    # MJPEG streams claim thousands.
    is_rate = 0 < rate_hz < 1000
    return Video(
        address, name, count if count > 0 else None, rate_hz if is_rate else _DEFAULT_RATE_HZ
    )


@contextmanager
def _capture(address: str | int) -> Iterator[cv2.VideoCapture]:
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
    options = [part for timeout in timeouts for part in (timeout, _TIMEOUT_MS)]
    return cv2.VideoCapture(address, cv2.CAP_FFMPEG, options)


def _describe_failure(address: str | int) -> str:
    if isinstance(address, int):
        return f'camera {address}: can not be opened; see ls /dev/video*, and whether it is in use'
    if '://' in address:
        return f'{_name_of(address)}: no stream there; try the address in a browser or ffplay'
    return f'{address}: can not be opened as a video; convert it (ffmpeg) or check the file'
