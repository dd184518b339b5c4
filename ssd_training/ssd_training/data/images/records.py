"""Annotated images: what a data set is made of, wherever its pixels come from."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
import hashlib
import os
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from ssd_detector.evaluation.voc import GroundTruths
from ssd_detector.images.claims import largest_file_bytes
from ssd_training.data.files import read_data_file, read_start
from ssd_training.data.images.decoding import Decoding, DEFAULT_DECODING
from ssd_training.errors import DataError

# EXIF data are the first or second segment of a JPEG, and begin with the orientation.
_HEAD_BYTES = 1 << 13


class ImageSource(Protocol):
    """Where an image comes from: a file, a part of a shard, a drawing."""

    @property
    def name(self) -> str:
        """Name the place, for messages."""

    @property
    def identity(self) -> str:
        """Tell images apart: equal for the same image, whatever its names and ids."""

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
class EncodedImage(ABC):
    """
    An image that has to be decoded.

    :param decoding: how
    """

    decoding: Decoding = field(default=DEFAULT_DECODING, kw_only=True)

    @property
    @abstractmethod
    def name(self) -> str:
        """Name the place, for messages."""

    @abstractmethod
    def read_bytes(self) -> bytes:
        """
        Read the image as it is encoded.

        :return: content of a file
        :raises DataError: when it can not be read
        """

    def measure_bytes(self) -> int:
        """
        Tell how large the content is.

        :return: bytes; 0 where it can't be read
        """
        return 0

    def read_head(self) -> bytes:
        """
        Read enough to know of EXIF data where cameras put them: at the beginning of a JPEG.

        :return: the beginning of the content, or all of it
        :raises DataError: when it can not be read
        """
        return self.read_bytes()

    def load(self) -> NDArray[np.uint8]:
        """
        Decode the image.

        :return: (H, W, 3) uint8, RGB
        :raises DataError: when it can not be read or decoded
        """
        return self.decoding.decode(self.read_bytes(), self.name)


@dataclass(frozen=True)
class ImageFile(EncodedImage):
    """An image in a file of its own."""

    path: Path

    @property
    def name(self) -> str:
        """Name the file."""
        return str(self.path)

    @property
    def identity(self) -> str:
        """Give the path without links."""
        try:
            return os.path.realpath(self.path)
        except ValueError:
            # No file has a zero byte in its name.
            return self.name

    def read_bytes(self) -> bytes:
        """
        Read the file.

        :return: its content
        :raises DataError: when it can not be read
        """
        return read_data_file(self.path, limit_bytes=self._limit_bytes)

    def measure_bytes(self) -> int:
        """
        Tell how large the file is.

        :return: bytes; 0 where it can't be read
        """
        try:
            return os.stat(self.path).st_size
        except (OSError, ValueError):
            return 0

    def read_head(self) -> bytes:
        """
        Read the beginning of the file; see EncodedImage.

        :return: its first bytes
        :raises DataError: when it can not be read
        """
        return read_start(self.path, _HEAD_BYTES, limit_bytes=self._limit_bytes)

    def version(self) -> str:
        """
        Tell path, size, time of the last change, and how it is decoded.

        :return: text that differs when the pixels do
        :raises DataError: when there is no such file
        """
        try:
            state = self.path.stat()
        except (OSError, ValueError) as error:
            raise DataError([f'{self.path}: can not be read ({error})']) from error
        return f'{self.path.absolute()} {state.st_size} {state.st_mtime_ns} {self.decoding}'

    @property
    def _limit_bytes(self) -> int:
        return largest_file_bytes(self.decoding.max_pixels)


@dataclass(frozen=True, eq=False)
class Record:
    """
    One annotated image.

    :param image_id: as in the split's list; unique within the split, not beyond
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
