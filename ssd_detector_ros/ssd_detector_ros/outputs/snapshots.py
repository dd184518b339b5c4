"""A frame and its detections as a PASCAL VOC image and annotation, for training."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from threading import Lock
import time
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections, ImageError

_JPEG_QUALITY = 95
# Of libjpeg, JPEG_MAX_DIMENSION.
_MAX_JPEG_SIDE_PX = 65_500
SPLIT = 'snapshots'
# All of them are read to know whether another is one of them.
_MOST_OF_A_NAME = 100


@dataclass(frozen=True, eq=False)
class AnsweredFrame:
    """
    A frame with what was found in it.

    :param image_rgb: (H, W, 3) uint8
    :param detections: in pixels of the image
    :param image_topic: where it came from
    :param stamp_ns: of the frame
    :param answered_s: when it was answered, by time.monotonic: stamps of two cameras may be of
        different clocks, and those of one may stand still
    """

    image_rgb: NDArray[np.uint8]
    detections: Detections
    image_topic: str
    stamp_ns: int
    answered_s: float = field(default_factory=time.monotonic)


class SnapshotStore:
    """
    Writes frames into VOC trees, one after the other, and no more than it may.

    :param check_folder: raises ConfigError for a folder that is not to be written to
    :param limit_mb: of all that it writes
    """

    def __init__(self, *, check_folder: Callable[[Path], None], limit_mb: int) -> None:
        self._check_folder = check_folder
        self._limit_bytes = limit_mb * 2**20
        self._written_bytes = 0
        self._lock = Lock()

    def save(self, frame: AnsweredFrame, folder: Path) -> tuple[Path, Path]:
        """
        Write a frame into a VOC tree; folders that are missing are made.

        :param frame: what to save
        :param folder: root of the tree
        :return: paths of the image and of the annotation; the image id is added to the list
            ImageSets/Main/snapshots.txt; another image of the same name stays as it is
        :raises ConfigError: when the folder is not one of those to write to
        :raises OSError: when it can't be written to
        :raises ImageError: when no JPEG can hold the frame, or all is written that may be
        """
        self._check_folder(folder)
        jpeg = _encode(frame.image_rgb)
        with self._lock:
            self._written_bytes += len(jpeg)
            if self._written_bytes > self._limit_bytes:
                self._written_bytes -= len(jpeg)
                raise ImageError(
                    f'snapshots took {self._written_bytes / 2**20:.1f} MB since the node was '
                    f'started; expected at most {self._limit_bytes // 2**20}: start it anew, with '
                    f'a larger max_snapshots_mb'
                )
            return _save(frame, jpeg, folder)


def _save(frame: AnsweredFrame, jpeg: bytes, folder: Path) -> tuple[Path, Path]:
    image_path = _choose_path(frame, jpeg, folder / 'JPEGImages')
    image_id = image_path.stem
    annotation_path = folder / 'Annotations' / f'{image_id}.xml'
    list_path = folder / 'ImageSets' / 'Main' / f'{SPLIT}.txt'
    for path in (image_path, annotation_path, list_path):
        path.parent.mkdir(parents=True, exist_ok=True)
    image_path.write_bytes(jpeg)
    tree = to_annotation(frame, image_path.name)
    ElementTree.indent(tree)
    ElementTree.ElementTree(tree).write(annotation_path, encoding='utf-8')
    known = list_path.read_bytes().split() if list_path.exists() else []
    if image_id.encode() not in known:
        with list_path.open('a', encoding='utf-8') as stream:
            stream.write(f'{image_id}\n')
    return image_path, annotation_path


def _choose_path(frame: AnsweredFrame, jpeg: bytes, folder: Path) -> Path:
    """Name the file after camera and stamp, and number those of equal stamps."""
    # A topic has no hyphen: those of /a/b and /a_b stay apart.
    camera = frame.image_topic.strip('/').replace('/', '-')
    # Frames without a stamp are told apart by when they are saved.
    name = f'{camera}_{frame.stamp_ns or time.time_ns()}'
    for number in range(1, _MOST_OF_A_NAME + 1):
        path = folder / (f'{name}.jpg' if number == 1 else f'{name}_{number}.jpg')
        if not path.exists() or path.read_bytes() == jpeg:
            return path
    raise ImageError(
        f'{folder / name}.jpg: {_MOST_OF_A_NAME} frames have this stamp already; let the camera '
        f'set stamps'
    )


def _encode(image_rgb: NDArray[np.uint8]) -> bytes:
    height_px, width_px = image_rgb.shape[:2]
    if max(width_px, height_px) > _MAX_JPEG_SIDE_PX:
        raise ImageError(
            f'the frame has {width_px}x{height_px} pixels; a JPEG has sides of at most '
            f'{_MAX_JPEG_SIDE_PX}'
        )
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    _, jpeg = cv2.imencode('.jpg', image_bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return jpeg.tobytes()


def to_annotation(frame: AnsweredFrame, file_name: str) -> ElementTree.Element:
    """
    Build a VOC annotation; boxes become whole pixels, 1-based, both ends included.

    :param frame: what to describe
    :param file_name: of the image
    :return: the XML
    """
    height_px, width_px = frame.image_rgb.shape[:2]
    root = ElementTree.Element('annotation')
    _add(root, 'folder', 'JPEGImages')
    _add(root, 'filename', file_name)
    source = _add(root, 'source', None)
    _add(source, 'database', 'ssd_detector snapshot; boxes are detections, not ground truth')
    size = _add(root, 'size', None)
    for name, value in (('width', width_px), ('height', height_px), ('depth', 3)):
        _add(size, name, value)
    _add(root, 'segmented', 0)
    for label, box in zip(frame.detections.labels, frame.detections.boxes_xyxy, strict=True):
        element = _add(root, 'object', None)
        for name, value in (('name', label), ('pose', 'Unspecified'), ('truncated', 0)):
            _add(element, name, value)
        _add(element, 'difficult', 0)
        corners = _add(element, 'bndbox', None)
        pixels = _to_inclusive_pixels(box, width_px, height_px)
        for name, value in zip(('xmin', 'ymin', 'xmax', 'ymax'), pixels, strict=True):
            _add(corners, name, value)
    return root


def _to_inclusive_pixels(
    box_xyxy: NDArray[np.float32], width_px: int, height_px: int
) -> tuple[int, int, int, int]:
    x1, y1, x2, y2 = (round(float(edge)) for edge in box_xyxy)
    left, top = min(x1, width_px - 1), min(y1, height_px - 1)
    return left + 1, top + 1, max(x2, left + 1), max(y2, top + 1)


def _add(parent: ElementTree.Element, name: str, value: object) -> ElementTree.Element:
    element = ElementTree.SubElement(parent, name)
    if value is not None:
        element.text = str(value)
    return element
