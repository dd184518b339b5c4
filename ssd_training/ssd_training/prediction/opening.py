"""What an argument of predict means: a picture, a folder, a video, a camera, a stream."""

import os
from pathlib import Path

import cv2

from ssd_detector.errors import ConfigError
from ssd_detector.images.claims import Claim, MAX_IMAGE_PIXELS
from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_detector.images.folder import Folder, walk_folder
from ssd_training.data.images.decoding import Decoding
from ssd_training.errors import DataError
from ssd_training.prediction.frame_sources import (
    DEFAULT_RATE_HZ,
    FrameSource,
    LeftOut,
    MjpegStream,
    name_of,
    open_capture,
    Pictures,
    TIMEOUT_S,
    Unreadable,
    Video,
    VIDEO_SUFFIX,
)
from ssd_training.prediction.kinds import find_fault, judge_in_folder
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
    :raises DataError: when video, camera or stream can't be opened, or it is a file of a kind that
        is not read
    """
    path, decoding = Path(given), Decoding(max_pixels=max_pixels)
    # Unlike Path's, these take any text.
    if given.isdigit() and not os.path.exists(given):
        return _open_video(int(given[:9]), f'camera_{given[:9]}', max_pixels)
    if '://' in given:
        return _open_url(given, decoding)
    if os.path.isdir(given):
        return _open_folder(path, output_dir, decoding)
    if not os.path.isfile(given):
        raise ConfigError(
            [
                f'{given}: no such file or folder; expected a picture, a folder of pictures, a '
                f'video, the index of a camera, or a URL'
            ]
        )
    if path.suffix.lower() in IMAGE_SUFFIXES:
        picture = Pictures((path,), path.parent, decoding)
        _refuse_to_replace(picture, output_dir)
        return picture
    if fault := find_fault(path):
        raise DataError([f'{given}: {fault}'])
    if os.path.realpath(output_dir / f'{path.stem}{VIDEO_SUFFIX}') == os.path.realpath(path):
        raise ConfigError([f'--output_dir: {path} would be replaced; give another folder'])
    return _open_video(given, path.stem, max_pixels)


def _refuse_to_replace(pictures: Pictures, output_dir: Path) -> None:
    given = {os.path.realpath(path) for path in pictures.paths}
    copies = (output_dir / path.relative_to(pictures.root) for path in pictures.paths)
    if any(os.path.realpath(copy) in given for copy in copies):
        raise ConfigError(
            [f'--output_dir: {output_dir}: its pictures would be replaced; give another folder']
        )


def _open_folder(folder: Path, output_dir: Path, decoding: Decoding) -> Pictures:
    found = _without_results(walk_folder(folder), folder, Path(os.path.realpath(output_dir)))
    others = _list_others(found, folder)
    if not found.images and not any(isinstance(other, Unreadable) for other in others):
        reasons = [other.reason for other in others]
        raise ConfigError([f'{folder}: holds no picture ({", ".join(IMAGE_SUFFIXES)})', *reasons])
    pictures = Pictures(found.images, folder, decoding, others)
    _refuse_to_replace(pictures, output_dir)
    return pictures


def _without_results(found: Folder, folder: Path, results: Path) -> Folder:
    """Take out what an earlier prediction wrote, where that is below the folder."""
    if Path(os.path.realpath(folder)) not in results.parents:
        return found

    def is_result(path: Path) -> bool:
        return Path(os.path.realpath(path)).is_relative_to(results)

    return Folder(
        tuple(path for path in found.files if not is_result(path)),
        tuple(path for path in found.linked if not is_result(path)),
        tuple((path, reason) for path, reason in found.refused if not is_result(path)),
    )


def _list_others(found: Folder, folder: Path) -> tuple[Unreadable | LeftOut, ...]:
    """List what is not read, by name: what could be pictures, and what may hold some."""
    images = {*found.images}
    files = [path for path in found.files if path not in images]
    judged = [judge_in_folder(path, str(path.relative_to(folder))) for path in files]
    linked = [
        LeftOut.of(str(path.relative_to(folder)), 'is a link to a folder; give that folder alone')
        for path in found.linked
    ]
    refused = [
        Unreadable(str(path.relative_to(folder)), f'{path}: can not be read ({reason})')
        for path, reason in found.refused
    ]
    others = [*(other for other in judged if other is not None), *linked, *refused]
    return tuple(sorted(others, key=lambda other: other.name))


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
