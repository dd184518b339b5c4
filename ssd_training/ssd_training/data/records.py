"""Annotated images: what a data set is made of, wherever its pixels come from."""

from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
from pathlib import Path
from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.errors import DataError

_JPEG_START, _JPEG_END = b'\xff\xd8', b'\xff\xd9'
# Boxes are drawn on the pixels as they are stored, whatever a camera says about its position.
AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
UPRIGHT = cv2.IMREAD_COLOR


class ImageSource(Protocol):
    """Where an image comes from: a file, a part of a shard, a drawing."""

    @property
    def name(self) -> str:
        """Name the place, for messages."""

    def load(self) -> NDArray[np.uint8]:
        """
        Give the pixels.

        :return: (H, W, 3) uint8, RGB
        :raises DataError: when they can not be read
        """

    def read_bytes(self) -> bytes:
        """
        Give the image as JPEG or PNG.

        :return: content of a file
        :raises DataError: when it can not be read
        """

    def version(self) -> str:
        """
        Tell what the pixels depend on, for caches.

        :return: text that differs when the pixels do
        """


@dataclass(frozen=True)
class ImageFile:
    """An image in a file of its own."""

    path: Path

    @property
    def name(self) -> str:
        """Name the file."""
        return str(self.path)

    def load(self) -> NDArray[np.uint8]:
        """
        Decode the file.

        :return: (H, W, 3) uint8, RGB
        :raises DataError: when it can not be read or decoded
        """
        return decode_image(self.read_bytes(), self.name)

    def read_bytes(self) -> bytes:
        """
        Read the file.

        :return: its content
        :raises DataError: when it can not be read
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise DataError([f'{self.path}: can not be read ({error.strerror})']) from error

    def version(self) -> str:
        """
        Tell path, size and time of the last change.

        :return: text that differs when the pixels do
        :raises DataError: when there is no such file
        """
        try:
            state = self.path.stat()
        except OSError as error:
            raise DataError([f'{self.path}: can not be read ({error.strerror})']) from error
        return f'{self.path.absolute()} {state.st_size} {state.st_mtime_ns}'


@dataclass(frozen=True, eq=False)
class Record:
    """
    One annotated image.

    :param image_id: as in the split's list
    :param image: where its pixels come from
    :param size_wh: px, as the annotation says
    :param ground_truths: the objects
    """

    image_id: str
    image: ImageSource
    size_wh: tuple[int, int]
    ground_truths: GroundTruths

    def load_image(self) -> NDArray[np.uint8]:
        """
        Give the pixels.

        :return: (H, W, 3) uint8, RGB
        :raises DataError: when they can not be read or have another size than annotated
        """
        image_rgb = self.image.load()
        check_size(image_rgb, self.size_wh, self.image.name)
        return image_rgb


def check_size(image_rgb: NDArray[np.uint8], size_wh: tuple[int, int], name: str) -> None:
    """
    Refuse pixels that the boxes can not belong to.

    :param image_rgb: (H, W, 3)
    :param size_wh: px, as the annotation says
    :param name: of the image, for the message
    :raises DataError: when it has another size
    """
    found_wh = (image_rgb.shape[1], image_rgb.shape[0])
    if found_wh != size_wh:
        raise DataError(
            [
                f'{name}: has {found_wh[0]}x{found_wh[1]} px; its annotation says '
                f'{size_wh[0]}x{size_wh[1]}; the boxes belong to another image'
            ]
        )


def decode_image(encoded: bytes, name: str, *, flags: int = AS_STORED) -> NDArray[np.uint8]:
    """
    Decode a JPEG or PNG file.

    For JPEG, libjpeg's exact DCT: equal to `tf.io.decode_jpeg(dct_method='INTEGER_ACCURATE')`.

    :param encoded: content of the file
    :param name: of the file, for the message
    :param flags: AS_STORED, or UPRIGHT to turn it as the camera was held
    :return: (H, W, 3) uint8, RGB
    :raises DataError: when it is no image, or only a part of one
    """
    pixels = np.frombuffer(encoded, np.uint8)
    image_bgr = cv2.imdecode(pixels, flags) if len(pixels) else None
    # OpenCV fills what is missing of a JPEG with grey, and says so on stderr only.
    is_cut = encoded.startswith(_JPEG_START) and _JPEG_END not in encoded[-64:]
    if image_bgr is None or is_cut:
        state = 'ends too early' if is_cut else 'can not be read as an image'
        raise DataError([f'{name}: {state} ({len(encoded)} bytes); get it again'])
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)


def hash_records(records: Sequence[Record]) -> str:
    """
    Hash what records say: ids, sizes and objects, in order; pixels and places do not count.

    :param records: of a split
    :return: 64 hex digits of SHA-256
    """
    digest = hashlib.sha256()
    for record in records:
        truths = record.ground_truths
        digest.update(f'{record.image_id} {record.size_wh} {len(truths.class_ids)};'.encode())
        for part in (truths.boxes_xyxy, truths.class_ids, truths.is_difficult):
            digest.update(np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()
