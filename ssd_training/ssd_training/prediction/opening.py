"""What an argument of predict means: a picture, a folder, a video, a camera, a stream."""

import os
from pathlib import Path

import cv2

from ssd_detector.errors import ConfigError
from ssd_detector.images.claims import Claim, MAX_IMAGE_PIXELS
from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_training.data.images.decoding import Decoding
from ssd_training.errors import DataError
from ssd_training.prediction.frame_sources import (
    DEFAULT_RATE_HZ,
    FrameSource,
    MjpegStream,
    name_of,
    open_capture,
    Pictures,
    TIMEOUT_S,
    Video,
    VIDEO_SUFFIX,
)
from ssd_training.prediction.mjpeg import open_stream


def open_frame_source(
    given: str, output_dir: Path, *, max_pixels: int = MAX_IMAGE_PIXELS
) -> FrameSource:
    """
    Find out what an argument means.

    :param given: a picture, a folder of them, a video, a camera's index, a URL
    :param output_dir: of the results; left out when it is below the folder that is searched
    :param max_pixels: of an image, as its head claims
    :return: the source
    :raises ConfigError: when it is none of them, or the results would replace it
    :raises DataError: when video, camera or stream can't be opened
    """
    path, decoding = Path(given), Decoding(max_pixels=max_pixels)
    # Unlike Path's, these take any text.
    if given.isdigit() and not os.path.exists(given):
        return _open_video(int(given[:9]), f'camera_{given[:9]}', max_pixels)
    if '://' in given:
        return _open_url(given, decoding)
    if os.path.isdir(given):
        paths = _find_pictures(path, Path(os.path.realpath(output_dir)))
        return _open_pictures(paths, path, output_dir, decoding)
    if not os.path.isfile(given):
        raise ConfigError(
            [
                f'{given}: no such file or folder; expected a picture, a folder of pictures, a '
                f'video, the index of a camera, or a URL'
            ]
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        return _open_pictures((path,), path.parent, output_dir, decoding)
    if os.path.realpath(output_dir / f'{path.stem}{VIDEO_SUFFIX}') == os.path.realpath(path):
        raise ConfigError([f'--output_dir: {path} would be replaced; give another folder'])
    return _open_video(given, path.stem, max_pixels)


def _open_pictures(
    paths: tuple[Path, ...], root: Path, output_dir: Path, decoding: Decoding
) -> Pictures:
    given = {os.path.realpath(path) for path in paths}
    if any(os.path.realpath(output_dir / path.relative_to(root)) in given for path in paths):
        raise ConfigError(
            [f'--output_dir: {output_dir}: its pictures would be replaced; give another folder']
        )
    return Pictures(paths, root, decoding)


def _find_pictures(folder: Path, left_out: Path) -> tuple[Path, ...]:
    has_results = Path(os.path.realpath(folder)) in left_out.parents
    paths = tuple(
        path
        for path in sorted(folder.rglob('*'))
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not (has_results and left_out in Path(os.path.realpath(path)).parents)
    )
    if not paths:
        raise ConfigError([f'{folder}: holds no picture ({", ".join(IMAGE_SUFFIXES)})'])
    return paths


def _open_url(url: str, decoding: Decoding) -> Video | MjpegStream:
    name = name_of(url)
    if url.startswith(('http://', 'https://')):
        with open_stream(url, timeout_s=TIMEOUT_S) as opened:
            if opened:
                return MjpegStream(url, name, decoding)
    return _open_video(url, name, decoding.max_pixels)


def _open_video(address: str | int, name: str, max_pixels: int) -> Video:
    with open_capture(address) as capture:
        sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
        claim = Claim(*(int(capture.get(side)) for side in sides))
        if excess := claim.find_excess(max_pixels):
            raise DataError([f'{name}: {excess}; raise max_image_pixels if that is real'])
        count = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        rate_hz = capture.get(cv2.CAP_PROP_FPS)
    # MJPEG streams claim thousands.
    is_rate = 0 < rate_hz < 1000
    return Video(
        address, name, count if count > 0 else None, rate_hz if is_rate else DEFAULT_RATE_HZ
    )
