"""A cache of decoded images: in memory, or in a folder on a fast disk."""

from collections.abc import Sequence
import dataclasses
from dataclasses import dataclass
import hashlib
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ssd_training.data.images.records import ImageSource, Record
from ssd_training.errors import DataError


def cache_images(records: Sequence[Record], cache: str) -> list[Record]:
    """
    Let each image be decoded once only.

    :param records: of a split
    :param cache: none, memory, or a folder; one image of VOC takes about 0.5 MB
    :return: the records; their pixels are the same
    :raises DataError: when the folder can not be made
    """
    if cache == 'none':
        return list(records)
    if cache == 'memory':
        return [dataclasses.replace(record, image=_InMemory(record.image)) for record in records]
    folder = Path(cache)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise DataError(
            [f'data.cache: {cache}: can not be made ({error.strerror}); give none, memory or DIR']
        ) from error
    return [dataclasses.replace(r, image=_InFolder(r.image, folder)) for r in records]


class _InMemory:
    """Keeps the pixels from the first time on."""

    def __init__(self, source: ImageSource) -> None:
        self._source = source
        self._image_rgb: NDArray[np.uint8] | None = None
        self.name = source.name
        self.identity = source.identity
        self.read_bytes = source.read_bytes
        self.version = source.version

    def load(self) -> NDArray[np.uint8]:
        """
        Give the pixels.

        :return: (H, W, 3) uint8, RGB
        """
        if self._image_rgb is None:
            self._image_rgb = self._source.load()
        return self._image_rgb


@dataclass(frozen=True)
class _InFolder:
    """Keeps the pixels in a file that is named after what they depend on."""

    source: ImageSource
    folder: Path

    @property
    def name(self) -> str:
        """Name the original."""
        return self.source.name

    @property
    def identity(self) -> str:
        """Tell the originals apart."""
        return self.source.identity

    def load(self) -> NDArray[np.uint8]:
        """
        Give the pixels.

        :return: (H, W, 3) uint8, RGB
        """
        path = self.folder / f'{hashlib.sha256(self.source.version().encode()).hexdigest()}.npy'
        try:
            image_rgb: NDArray[np.uint8] = np.load(path)
        except (OSError, ValueError, EOFError):
            image_rgb = self.source.load()
            self._write(path, image_rgb)
        return image_rgb

    def read_bytes(self) -> bytes:
        """
        Read the original.

        :return: content of a file
        """
        return self.source.read_bytes()

    def version(self) -> str:
        """
        Tell what the pixels depend on.

        :return: text that differs when the pixels do
        """
        return self.source.version()

    def _write(self, path: Path, image_rgb: NDArray[np.uint8]) -> None:
        """Write aside and rename: other processes may be reading."""
        aside = path.with_suffix(f'.{os.getpid()}.part')
        try:
            with aside.open('wb') as file:
                np.save(file, image_rgb)
            aside.replace(path)
        except OSError as error:
            raise DataError(
                [f'data.cache: {aside}: can not be written ({error.strerror}); use cache: none']
            ) from error
