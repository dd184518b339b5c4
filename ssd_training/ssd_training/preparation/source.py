"""What a labelling tool left in a folder: files by kind, and pictures with their labels."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
import os
from pathlib import Path, PureWindowsPath
from typing import Literal
import unicodedata

from ssd_detector.images import IMAGE_SUFFIXES
from ssd_training.data.annotations import AnnotatedObject, Finding
from ssd_training.errors import DataError

Split = Literal['train', 'val', 'test']
Layout = Literal['voc', 'coco', 'yolo', 'cvat']

_SPLIT_NAMES: Mapping[str, Split] = {
    'train': 'train',
    'training': 'train',
    'val': 'val',
    'valid': 'val',
    'validation': 'val',
    'test': 'test',
    'testing': 'test',
}


@dataclass(frozen=True)
class LabelledImage:
    """
    One picture as it was labelled, right or wrong.

    :param path: of the picture
    :param place: file that has its labels, for messages
    :param size_wh: px, as that file says; None where it does not
    :param objects: in the order of the file
    :param is_normalized: whether the boxes are in shares of the picture instead of px
    :param split: that the tool put it in
    """

    path: Path
    place: str
    size_wh: tuple[int, int] | None
    objects: tuple[AnnotatedObject, ...]
    is_normalized: bool = False
    split: Split | None = None


@dataclass(frozen=True)
class Labelled:
    """
    Everything that a folder's labels say.

    :param images: in the order of their files
    :param labels: the classes in the order in which the tool numbers them; those that only
        objects name come behind
    :param findings: what could not be read
    :param notes: what was concluded from the files, in words
    """

    images: Sequence[LabelledImage]
    labels: Sequence[str]
    findings: Sequence[Finding] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Listing:
    """
    The files of a folder and of all folders below it.

    :param root: the folder
    :param files: all of them, sorted
    """

    root: Path
    files: Sequence[Path] = field(repr=False)

    def with_suffix(self, *suffixes: str) -> list[Path]:
        """
        Pick files.

        :param suffixes: in lower case; files may have them in any case
        :return: the files
        """
        return [path for path in self.files if path.suffix.lower() in suffixes]

    @cached_property
    def images(self) -> list[Path]:
        """The pictures."""
        return self.with_suffix(*IMAGE_SUFFIXES)

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _index(self.images, lambda path: path.name)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        return _index(self.images, lambda path: path.stem)

    def find_image(self, name: str, starts: Iterable[Path]) -> Path | None:
        """
        Find the picture that a file name of another machine means.

        :param name: as it was written: with or without folders, of Windows or Linux
        :param starts: folders that it may be relative to, the likeliest first
        :return: the picture; by its name alone only where one picture has it; else None
        """
        # Forward slashes are separators for Windows, too.
        written = PureWindowsPath(name.removeprefix('file://'))
        parts = [part for part in written.parts if part not in (written.anchor, '.', '..')]
        if not parts:
            return None
        for start in starts:
            if (candidate := start.joinpath(*parts)).is_file():
                return candidate
        same_name = self._by_name.get(_normalize(parts[-1]), [])
        return same_name[0] if len(same_name) == 1 else None

    def images_of(self, annotation: Path) -> list[Path]:
        """
        Find the pictures that a file with the same stem may belong to.

        :param annotation: a file of one picture's labels
        :return: those in its folder; else those in the nearest folder that has some
        """
        found = self._by_stem.get(_normalize(annotation.stem), [])
        nearness = [_shared(path, annotation) for path in found]
        return [path for path, near in zip(found, nearness, strict=True) if near == max(nearness)]


def list_files(root: Path, *, left_out: Path | None = None) -> Listing:
    """
    Look through a folder and what is linked from it.

    :param root: the folder
    :param left_out: a folder below it that is not looked at, such as the one that is written
    :return: its files, hidden ones left out
    :raises DataError: when it is no folder
    """
    if root.suffix.lower() == '.zip' and root.is_file():
        raise DataError([f'{root}: an archive; unpack it (unzip {root}) and give the folder'])
    if not root.is_dir():
        raise DataError([f'{root}: no such folder; expected what a labelling tool exported'])
    files: list[Path] = []
    seen = {left_out.resolve()} if left_out else set()
    for name, folders, names in os.walk(root, followlinks=True):
        folder = Path(name)
        if (real := folder.resolve()) in seen:
            folders.clear()
            continue
        seen.add(real)
        folders[:] = [one for one in folders if not one.startswith('.') and one != '__MACOSX']
        files += [folder / one for one in names if not one.startswith('.')]
    return Listing(root, sorted(files))


def _index(paths: Iterable[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    index: dict[str, list[Path]] = {}
    for path in paths:
        index.setdefault(_normalize(key(path)), []).append(path)
    return index


def _normalize(name: str) -> str:
    # One system writes a letter and its accent as one character, another as two.
    return unicodedata.normalize('NFC', name).lower()


def _shared(image: Path, annotation: Path) -> tuple[int, int]:
    """
    Tell how near a picture is.

    :return: folders at the end of both paths that are equal (of train/images/a and
        train/labels/a none, of images/train/a and labels/train/a one), then at their start
    """
    one, other = image.parent.parts, annotation.parent.parts
    if one == other:
        return len(one) + 1, 0
    at_end = next(
        (
            count
            for count, (a, b) in enumerate(zip(one[::-1], other[::-1], strict=False))
            if a != b
        ),
        min(len(one), len(other)),
    )
    at_start = next(
        (count for count, (a, b) in enumerate(zip(one, other, strict=False)) if a != b),
        min(len(one), len(other)),
    )
    return at_end, at_start


def split_of(path: Path, root: Path) -> Split | None:
    """
    Read the split off the folders that a file lies in.

    :param path: of the file
    :param root: of the source
    :return: the split, or None where no folder is called like one
    """
    for part in path.relative_to(root).parts[:-1]:
        if split := _SPLIT_NAMES.get(part.lower()):
            return split
    return None


def split_of_name(name: str) -> Split | None:
    """
    Read the split off the name of an annotation file, such as instances_val2017.

    :param name: without suffix
    :return: the split, or None
    """
    words = name.lower().replace('-', '_').replace('.', '_').split('_')
    found = (_SPLIT_NAMES.get(word.rstrip('0123456789')) for word in words)
    return next((split for split in found if split), None)
