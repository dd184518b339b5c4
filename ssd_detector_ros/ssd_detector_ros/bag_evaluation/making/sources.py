"""What recordings are made of: VOC and COCO data, folders of images, videos."""

from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.images.claims import Claim, MAX_IMAGE_PIXELS
from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_detector.images.folder import VIDEO_SUFFIXES, walk_folder
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.annotated_images import read_coco, read_voc
from ssd_detector_ros.bag_evaluation.making.image_files import (
    check_inside,
    FilesOutside,
    make_scene,
)
from ssd_detector_ros.bag_evaluation.making.scenes import Scene


def open_source(
    path: Path,
    *,
    split: str | None = None,
    images: Path | None = None,
    outside: FilesOutside = 'error',
) -> Iterator[Scene]:
    """
    Find out what a path is, and read it image by image.

    :param path: VOC folder, COCO file `*.json`, folder of images, or a video
    :param split: list of a VOC folder, such as val; None takes every annotated image
    :param images: folder of the images of a COCO file; None looks beside the file
    :param outside: whether files that links or names put outside of the source are read, too
    :return: the images in order
    :raises BagError: with everything that is missing or wrong
    """
    if not path.exists():
        raise BagError([f'{path}: no such file or folder; expected images, VOC, COCO or a video'])
    if path.is_dir() and (path / 'Annotations').is_dir():
        return read_voc(path, split, outside)
    if split is not None:
        raise BagError([f'{path}: --split needs a VOC folder (Annotations, ImageSets/Main)'])
    if path.is_dir():
        return _read_folder(path, outside)
    if path.suffix.lower() == '.json':
        return read_coco(path, images or path.parent, outside)
    if path.suffix.lower() in VIDEO_SUFFIXES:
        return _read_video(path)
    raise BagError(
        [
            f'{path}: expected a VOC folder, a COCO file *.json, a folder of images, or a video '
            f'({", ".join(VIDEO_SUFFIXES)})'
        ]
    )


def _read_folder(path: Path, outside: FilesOutside) -> Iterator[Scene]:
    found = walk_folder(path)
    if found.refused:
        raise BagError(found.describe_refused())
    if not found.images:
        raise BagError([f'{path}: no images ({", ".join(IMAGE_SUFFIXES)})'])
    check_inside(found.images, path, outside)
    return (make_scene(file, None) for file in found.images)


def _read_video(path: Path) -> Iterator[Scene]:
    if not path.is_file():
        # OpenCV would wait for what comes out of it.
        kind = 'a pipe' if path.is_fifo() else 'no regular file'
        raise BagError([f'{path}: is {kind}; expected a video'])
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise BagError([f'{path}: can not be opened as a video; convert it to H.264 in .mp4'])
    sides = (cv2.CAP_PROP_FRAME_WIDTH, cv2.CAP_PROP_FRAME_HEIGHT)
    claim = Claim(*(int(capture.get(side)) for side in sides))
    if excess := claim.find_excess(MAX_IMAGE_PIXELS):
        raise BagError([f'{path}: {excess}'])
    return _list_frames(capture, path)


def _list_frames(capture: cv2.VideoCapture, path: Path) -> Iterator[Scene]:
    number = 0
    while True:
        is_read, image_bgr = capture.read()
        if not is_read:
            break
        image_rgb = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
        yield Scene(f'{path.stem}_{number:06}', _give(image_rgb), None)
        number += 1
    capture.release()
    if not number:
        raise BagError([f'{path}: holds no frame that can be decoded'])


def _give(image_rgb: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
    return lambda: image_rgb
