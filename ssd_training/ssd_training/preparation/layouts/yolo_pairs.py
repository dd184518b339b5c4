"""Which text file has the labels of which picture of a YOLO folder."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
import os
from pathlib import Path
from urllib.parse import unquote

from ssd_training.data.annotations.annotations import Finding
from ssd_training.preparation.layouts.listing import Listing, normalize_name
from ssd_training.preparation.layouts.yolo_texts import is_list

Matches = dict[Path, list[Path]]
_Match = Callable[[Sequence[Path], Collection[Path], Path], Matches]


@dataclass(frozen=True)
class Pairs:
    """
    Pictures and label files that belong together, and those of which nothing tells it.

    :param texts: picture -> its label file
    :param shared: label file -> pictures that it fits, several each
    :param contested: picture -> label files that fit it, several each
    :param unread: picture -> its label file, where that is not among the files of the source
    """

    texts: Mapping[Path, Path]
    shared: Mapping[Path, Sequence[Path]]
    contested: Mapping[Path, Sequence[Path]]
    unread: Mapping[Path, Path]

    def __len__(self) -> int:
        return len(self.texts) + len(self.shared) + len(self.contested)

    @property
    def used(self) -> set[Path]:
        """The label files that some picture has or may have."""
        contested = (path for paths in self.contested.values() for path in paths)
        return {*self.texts.values(), *self.shared, *contested}

    @property
    def undecided(self) -> set[Path]:
        """The pictures that have labels, but it can't be told which."""
        shared = (image for images in self.shared.values() for image in images)
        return {*self.contested, *self.unread, *shared}

    def describe(self, listing: Listing) -> Iterator[Finding]:
        """
        Say what can't be told.

        :param listing: of the source
        :return: a finding each
        """
        for text, images in self.shared.items():
            what = f'several pictures of this name: {listing.spell(images)}; remove all but one'
            yield Finding('ambiguous image', str(text), f'{what}; left out')
        for image, texts in self.contested.items():
            what = f'several label files fit: {listing.spell(texts)}; keep one'
            yield Finding('ambiguous image', str(image), f'{what}; left out')
        for image, text in self.unread.items():
            what = f'its label file {listing.spell([text])} is not read'
            why = 'no file, or a link that leads out'
            yield Finding('image without annotation', str(image), f'{what} ({why}); left out')


def find_label_files(listing: Listing) -> Pairs:
    """
    Pair pictures with the text files that have their labels.

    A label file has its picture's name and lies beside it, or in a folder `labels` where the
    picture's is `images` (Ultralytics).

    :param listing: of the source
    :return: the pairs
    """
    texts = {path for path in listing.with_suffix('.txt') if not is_list(path)}
    matches: Matches = {}
    ways: tuple[_Match, ...] = (_match_places, _match_spellings)
    for match in ways:
        images = [image for image in listing.images if image not in matches]
        taken = {path for paths in matches.values() for path in paths}
        matches |= match(images, texts - taken, listing.root)
    images = [image for image in listing.images if image not in matches]
    return _make_pairs(matches, dict(_find_unread(images, listing)))


def _make_pairs(matches: Matches, unread: Mapping[Path, Path]) -> Pairs:
    by_text: dict[Path, list[Path]] = {}
    for image, paths in matches.items():
        if len(paths) == 1:
            by_text.setdefault(paths[0], []).append(image)
    return Pairs(
        {images[0]: text for text, images in by_text.items() if len(images) == 1},
        {text: images for text, images in by_text.items() if len(images) > 1},
        {image: paths for image, paths in matches.items() if len(paths) > 1},
        unread,
    )


def _find_unread(images: Sequence[Path], listing: Listing) -> Iterator[tuple[Path, Path]]:
    """Find label files that are no files, or that links put elsewhere."""
    lists = {*listing.with_suffix('.txt')}
    for image in images:
        for path in _candidates(image, listing.root):
            if path not in lists and os.path.lexists(path):
                yield image, path
                break


def _match_places(images: Sequence[Path], texts: Collection[Path], root: Path) -> Matches:
    """Match the first of the files that would be a picture's label file."""
    found = {
        image: next((path for path in _candidates(image, root) if path in texts), None)
        for image in images
    }
    return {image: [text] for image, text in found.items() if text}


def _match_spellings(images: Sequence[Path], texts: Collection[Path], root: Path) -> Matches:
    """Match names of other systems: %C3%A9 (Label Studio) or two characters for é, .TXT."""
    by_spelling: dict[str, list[Path]] = {}
    for path in sorted(texts):
        by_spelling.setdefault(_spell(path), []).append(path)
    found: Matches = {}
    for image in images if by_spelling else ():
        spellings = map(_spell, _candidates(image, root))
        if same := next(filter(None, map(by_spelling.get, spellings)), None):
            found[image] = same
    return found


def _candidates(image: Path, root: Path) -> list[Path]:
    """List where a picture's labels may be, the name that fits no other picture first."""
    folders = [image.parent, image.parent / 'labels']
    parts = image.relative_to(root).parts
    for index in reversed(range(len(parts) - 1)):
        if parts[index].lower() in ('images', 'jpegimages'):
            folders.append(root.joinpath(*parts[:index], 'labels', *parts[index + 1 : -1]))
    return [folder / f'{name}.txt' for name in (image.name, image.stem) for folder in folders]


def _spell(path: Path) -> str:
    return normalize_name(unquote(path.as_posix()))
