"""Where a YOLO label file lies, from its picture's place and name."""

from collections.abc import Collection, Iterator, Sequence
from pathlib import Path
import re

from ssd_training.preparation.layouts.file_names import spell_name
from ssd_training.preparation.layouts.labelled import split_of

# Picture -> its label files, several where nothing tells which.
Matches = dict[Path, list[Path]]
# What people and tools call the folder of the label files.
_LABEL_FOLDER = re.compile('label|annot|txt|yolo|box')
_Place = tuple[tuple[str, ...], tuple[str, ...], str]


def list_places(image: Path, root: Path) -> list[Path]:
    """
    List where a picture's labels may be, the name that fits no other picture first.

    :param image: below the root
    :param root: of the source
    :return: beside the picture, or in `labels` where the picture's folder is `images`
    """
    folders = [image.parent, image.parent / 'labels']
    parts = image.relative_to(root).parts
    for index in reversed(range(len(parts) - 1)):
        if parts[index].lower() in ('images', 'jpegimages'):
            folders.append(root.joinpath(*parts[:index], 'labels', *parts[index + 1 : -1]))
    return [folder / f'{name}.txt' for name in (image.name, image.stem) for folder in folders]


def match_places(images: Sequence[Path], texts: Collection[Path], root: Path) -> Matches:
    """
    Match the first of the files that would be a picture's label file.

    :param images: pictures
    :param texts: files that may have their labels
    :param root: of the source
    :return: the matches
    """
    found = {
        image: next((path for path in list_places(image, root) if path in texts), None)
        for image in (images if texts else ())
    }
    return {image: [text] for image, text in found.items() if text}


def match_spellings(images: Sequence[Path], texts: Collection[Path], root: Path) -> Matches:
    """
    Match names of other systems: %C3%A9 (Label Studio) or two characters for é, .TXT.

    :param images: see match_places
    :param texts: see match_places
    :param root: see match_places
    :return: the matches
    """
    by_spelling: dict[str, list[Path]] = {}
    for path in sorted(texts):
        by_spelling.setdefault(spell_name(path.as_posix()), []).append(path)
    found: Matches = {}
    for image in images if by_spelling else ():
        spellings = (spell_name(path.as_posix()) for path in list_places(image, root))
        if same := next(filter(None, map(by_spelling.get, spellings)), None):
            found[image] = same
    return found


def match_folders(images: Sequence[Path], texts: Collection[Path], root: Path) -> Matches:
    """
    Match img/a.jpg and labels/a.txt, or day/a.jpg and day/annotations/a.txt.

    :param images: see match_places
    :param texts: see match_places
    :param root: see match_places
    :return: files in a folder called like one of labels, whose path differs from the picture's in
        nothing else; in a split of its own only those of that split
    """
    by_place: dict[_Place, list[Path]] = {}
    for path in sorted(texts):
        parts = path.relative_to(root).parts[:-1]
        for index, part in enumerate(parts):
            if _LABEL_FOLDER.search(part.lower()):
                place = (parts[:index], parts[index + 1 :], spell_name(path.stem))
                by_place.setdefault(place, []).append(path)
    found: Matches = {}
    for image in images if by_place else ():
        split = split_of(image, root)
        near = (path for place in _list_folders(image, root) for path in by_place.get(place, ()))
        if same := [path for path in near if split_of(path, root) in (None, split)]:
            found[image] = [*dict.fromkeys(same)]
    return found


def _list_folders(image: Path, root: Path) -> Iterator[_Place]:
    """Give the parts of the path before and behind each folder, and those around no folder."""
    parts = image.relative_to(root).parts[:-1]
    for name in (image.name, image.stem):
        for index in range(len(parts) + 1):
            for behind in {parts[index:], parts[index + 1 :]}:
                yield parts[:index], behind, spell_name(name)
