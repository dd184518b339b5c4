"""The files of a folder that a labelling tool exported, and which picture a name means."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
import os
from pathlib import Path, PureWindowsPath
from urllib.parse import unquote

from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_detector.images.folder import ARCHIVE_SUFFIXES, FOREIGN_SUFFIXES, is_leftover
from ssd_training.command_line import PREDICTED, PREDICTED_MARK
from ssd_training.data.files import find_homes, is_inside
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import FilesOutside
from ssd_training.preparation.layouts.file_names import (
    count_equal,
    is_text,
    measure_nearness,
    normalize_name,
    pick_best,
)

# What `data prepare` writes; a folder with both was prepared, and holds no labels of a tool.
EXPERIMENT = 'experiment.yaml'
FINDINGS = 'findings.json'

# VOC's masks have the names of their pictures.
_FOLDERS_WITHOUT_PICTURES = {PREDICTED, 'SegmentationClass', 'SegmentationObject'}
# Of many files, beside a sentence.
_SHOWN = 3


@dataclass(frozen=True)
class Listing:
    """
    The files of a folder and of all folders below it.

    :param root: the folder
    :param files: all of them, sorted
    :param misnamed: those whose names are no text, as it can be written
    :param outside: files and folders that links put elsewhere; they are not among the files
    :param unread: folders that can't be read -> why
    :param predicted: folders of predict's results, which are not looked at
    """

    root: Path
    files: Sequence[Path] = field(repr=False)
    misnamed: Sequence[str] = ()
    outside: Sequence[Path] = ()
    unread: Mapping[Path, str] = field(default_factory=dict)
    predicted: Sequence[Path] = ()

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
    def foreign(self) -> list[Path]:
        """Pictures of kinds that are not read."""
        return self.with_suffix(*FOREIGN_SUFFIXES)

    @cached_property
    def _known(self) -> set[Path]:
        return {*self.images}

    @cached_property
    def _by_name(self) -> dict[str, list[Path]]:
        return _index(self.images, lambda path: path.name)

    @cached_property
    def _by_stem(self) -> dict[str, list[Path]]:
        return _index(self.images, lambda path: path.stem)

    def find_images(self, name: str, starts: Sequence[Path]) -> list[Path]:
        """
        Find the pictures that a file name of another machine may mean.

        :param name: as it was written: with or without folders, of Windows or Linux
        :param starts: folders that it may be relative to, the likeliest first
        :return: the picture; several, where nothing tells which; none, where none has the name
        """
        key = name, tuple(starts)
        if key not in self._searched:
            self._searched[key] = self._search(name, starts)
        return self._searched[key]

    @cached_property
    def _searched(self) -> dict[tuple[str, tuple[Path, ...]], list[Path]]:
        # A file may have one name many times.
        return {}

    def _search(self, name: str, starts: Sequence[Path]) -> list[Path]:
        for text in dict.fromkeys((name, unquote(name))):
            # Label Studio asks for its own files by /data/local-files/?d=FOLDER/FILE.
            if found := self._find(text.rpartition('?d=')[2].removeprefix('file://'), starts):
                return found
        return []

    def _find(self, name: str, starts: Sequence[Path]) -> list[Path]:
        # Forward slashes are separators for Windows, too.
        written = PureWindowsPath(name)
        parts = [part for part in written.parts if part not in (written.anchor, '.', '..')]
        if not parts:
            return []
        for start in starts:
            if (candidate := start.joinpath(*parts)) in self._known:
                return [candidate]
        same = self._by_name.get(normalize_name(parts[-1]), [])
        if not same and written.suffix.lower() in FOREIGN_SUFFIXES:
            # Converted since it was labelled.
            same = self._by_stem.get(normalize_name(written.stem), [])
        # As much of the end of the name as there is here.
        agreement = [count_equal(path.parts[::-1], parts[::-1]) for path in same]
        same = pick_best(same, agreement)
        for start in (*starts, self.root):
            near = [path for path in same if path.is_relative_to(start)]
            if len(near) == 1:
                return near
        return same

    def is_unread(self, path: Path) -> bool:
        """
        Tell whether a file would lie in a folder that can't be read.

        :param path: of the file, which may not be there
        :return: whether it would
        """
        return any(path.is_relative_to(folder) for folder in self.unread)

    def spell(self, paths: Sequence[Path]) -> str:
        """
        Name files in a sentence.

        :param paths: of the files
        :return: their names below the root, with commas; of many, three and how many others
        """
        shown = ', '.join(str(path.relative_to(self.root)) for path in paths[:_SHOWN])
        others = len(paths) - _SHOWN
        return f'{shown} and {others} more' if others > 0 else shown

    def images_of(self, annotation: Path) -> list[Path]:
        """
        Find the pictures that a file with the same stem, or their name as its stem, may be of.

        :param annotation: a file of one picture's labels
        :return: those in its folder; else those in the nearest folder that has some
        """
        stem = normalize_name(annotation.stem)
        found = self._by_stem.get(stem) or self._by_name.get(stem, [])
        return pick_best(found, [measure_nearness(path, annotation) for path in found])


def list_files(
    root: Path, *, left_out: Path | None = None, outside: FilesOutside = 'error'
) -> Listing:
    """
    Look through a folder and what is linked from it.

    :param root: the folder
    :param left_out: a folder below it that is not looked at, such as the one that is written
    :param outside: what is done about what links put outside
    :return: its files, hidden ones left out
    :raises DataError: when it is no folder
    """
    if root.is_file():
        what = (
            f'an archive; unpack it{f" (unzip {root})" if root.suffix.lower() == ".zip" else ""} '
            f'and give the folder'
            if root.suffix.lower() in ARCHIVE_SUFFIXES
            else 'is a file; give the folder that holds pictures and labels'
        )
        raise DataError([f'{root}: {what}'])
    if not root.is_dir():
        raise DataError([f'{root}: no such folder; expected what a labelling tool exported'])
    if left_out and left_out.resolve() == root.resolve():
        raise DataError([f'{root}: is the source and --out; give another --out'])
    seen = {left_out.resolve()} if left_out else set()
    walked = _walk(root, seen, find_homes([root], outside))
    are_texts = {path: is_text(path) for path in walked.files}
    misnamed = [
        os.fsencode(path).decode(errors='replace') for path in walked.files if not are_texts[path]
    ]
    texts = sorted(path for path in walked.files if are_texts[path])
    return replace(walked, files=texts, misnamed=sorted(misnamed))


def _walk(root: Path, seen: set[Path], homes: Sequence[Path]) -> Listing:
    """List files by any name; folders that were seen are left out."""
    files: list[Path] = []
    elsewhere: list[Path] = []
    predicted: list[Path] = []
    unread: dict[Path, str] = {}

    def note(error: OSError) -> None:
        unread[Path(error.filename)] = error.strerror or str(error)

    for name, folders, names in os.walk(root, followlinks=True, onerror=note):
        folder = Path(name)
        real = folder.resolve()
        is_elsewhere = not is_inside(str(real), homes)
        is_prepared = folder != root and {EXPERIMENT, FINDINGS} <= {*names}
        if is_elsewhere or is_prepared or real in seen:
            elsewhere += [folder] if is_elsewhere else []
            folders.clear()
            continue
        seen.add(real)
        if PREDICTED_MARK in names:
            predicted.append(folder)
            folders.clear()
            continue
        predicted += [folder / PREDICTED] if PREDICTED in folders else []
        folders[:] = [
            subfolder
            for subfolder in folders
            if not (is_leftover(subfolder) or subfolder in _FOLDERS_WITHOUT_PICTURES)
        ]
        for path in (folder / file_name for file_name in names if not is_leftover(file_name)):
            # Of a folder inside links alone lead out.
            is_here = not os.path.islink(path) or is_inside(os.path.realpath(path), homes)
            (files if is_here else elsewhere).append(path)
    return Listing(root, files, (), sorted(elsewhere), unread, sorted(predicted))


def _index(paths: Iterable[Path], key: Callable[[Path], str]) -> dict[str, list[Path]]:
    index: dict[str, list[Path]] = {}
    for path in paths:
        index.setdefault(normalize_name(key(path)), []).append(path)
    return index
