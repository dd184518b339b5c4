"""A folder of pictures by its names: what is read, what is not, what systems leave there."""

from dataclasses import dataclass
import os
from pathlib import Path
from typing import Final

from ssd_detector.images.decoding import IMAGE_SUFFIXES

# Pictures of phones, cameras and tools that OpenCV reads nowhere or not everywhere.
FOREIGN_SUFFIXES: Final = (
    *('.heic', '.heif', '.hif', '.avif', '.gif', '.jp2', '.jxl', '.svg', '.psd', '.tga'),
    *('.ppm', '.pgm', '.pbm', '.pnm', '.exr', '.hdr'),
    *('.dng', '.raw', '.cr2', '.cr3', '.nef', '.arw', '.orf', '.rw2', '.raf'),
)
VIDEO_SUFFIXES: Final = (
    *('.mp4', '.mov', '.avi', '.mkv', '.webm', '.m4v', '.mjpeg'),
    *('.mpg', '.mpeg', '.wmv', '.3gp', '.mts', '.m2ts'),
)
ARCHIVE_SUFFIXES: Final = ('.zip', '.tar', '.gz', '.tgz', '.xz', '.bz2', '.rar', '.7z')
# Of archives that a Mac packed: a file beside each, with its name and no picture in it.
_LEFT_BY_A_MAC = '__MACOSX'


@dataclass(frozen=True)
class Folder:
    """
    What lies in a folder and in all folders below it.

    :param files: sorted; without those that systems leave
    :param linked: folders that links lead to; nothing in them is among the files
    :param refused: folders that may not be read, each with the reason
    """

    files: tuple[Path, ...]
    linked: tuple[Path, ...]
    refused: tuple[tuple[Path, str], ...]

    @property
    def images(self) -> tuple[Path, ...]:
        """The files whose names are those of pictures that are read."""
        return tuple(path for path in self.files if path.suffix.lower() in IMAGE_SUFFIXES)

    def describe_refused(self) -> list[str]:
        """
        Tell of which folders nothing is known.

        :return: a sentence each
        """
        return [f'{path}: can not be read ({reason})' for path, reason in self.refused]


def is_leftover(name: str) -> bool:
    """
    Tell whether a system left something for itself: `.DS_Store`, `._a.jpg`, `__MACOSX`.

    :param name: of a file or folder
    :return: true for what is hidden, too
    """
    return name.startswith('.') or name == _LEFT_BY_A_MAC


def walk_folder(root: Path) -> Folder:
    """
    Look through a folder and all below it; links to folders are not followed.

    :param root: the folder; its own name may be any, and it may be a link
    :return: what lies there
    """
    files: list[Path] = []
    linked: list[Path] = []
    refused: list[tuple[Path, str]] = []

    def refuse(error: OSError) -> None:
        refused.append((Path(error.filename), error.strerror or str(error)))

    for place, folders, names in os.walk(root, onerror=refuse):
        folders[:] = [name for name in folders if not is_leftover(name)]
        linked += [path for name in folders if (path := Path(place, name)).is_symlink()]
        files += [Path(place, name) for name in names if not is_leftover(name)]
    return Folder(tuple(sorted(files)), tuple(sorted(linked)), tuple(sorted(refused)))
