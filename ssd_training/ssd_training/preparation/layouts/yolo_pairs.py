"""Which text file has the labels of which picture of a YOLO folder, and of which nothing tells."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
import os
from pathlib import Path

from ssd_training.data.annotations.annotations import Finding
from ssd_training.preparation.layouts.file_names import measure_nearness, spell_name
from ssd_training.preparation.layouts.listing import Listing
from ssd_training.preparation.layouts.yolo_matching import (
    list_places,
    match_folders,
    match_places,
    match_spellings,
    Matches,
)
from ssd_training.preparation.layouts.yolo_texts import is_list, looks_like_labels, read_line

_SHOWN = 60


@dataclass(frozen=True)
class Pairs:
    """
    Pictures and label files that belong together, and what can't be told of others.

    :param texts: picture -> its label file
    :param used: label files that some picture has or may have
    :param strays: label files that none has
    :param left_out: picture that is no background, but has no labels that can be told -> why
    :param notes: what was concluded, in words
    """

    texts: Mapping[Path, Path]
    used: Collection[Path]
    strays: Sequence[Path]
    left_out: Mapping[Path, Finding]
    notes: Sequence[str] = ()


def find_label_files(listing: Listing) -> Pairs:
    """
    Pair pictures with the text files that have their labels.

    A label file has its picture's name and lies beside it, or in a folder `labels` where the
    picture's is `images` (Ultralytics); else, where no picture of its folder has one, see
    match_folders.

    :param listing: of the source
    :return: the pairs
    """
    texts = {path for path in listing.with_suffix('.txt') if not is_list(path)}
    matches = match_places(listing.images, texts, listing.root)
    matches |= match_spellings(_rest(listing, matches), texts - _used(matches), listing.root)
    unused = texts - _used(matches)
    labels = {path for path in unused if looks_like_labels(path)}
    # Where some files hold labels, those that can't be read were meant to.
    folders = {path.parent for path in labels | _used(matches)}
    unused = {path for path in unused if path.parent in folders}
    # Nor is anything guessed where others have labels by place: these may be old, or predicted.
    settled = {image.parent for image in matches}
    rest = [image for image in _rest(listing, matches) if image.parent not in settled]
    by_folder = match_folders(rest, unused, listing.root)
    matches |= by_folder
    strays = sorted(labels - _used(matches))
    left_out = dict(_find_ambiguous(matches, listing))
    # Nobody asks where no picture has labels of YOLO.
    left_out |= _find_unread(_rest(listing, matches), strays, listing) if matches else {}
    pairs = {image: texts[0] for image, texts in matches.items() if image not in left_out}
    guessed = [image for image in by_folder if image in pairs]
    notes = [_describe_guess(guessed, pairs, listing)] if guessed else []
    return Pairs(pairs, _used(matches), strays, left_out, notes)


def describe_texts(listing: Listing) -> Iterator[str]:
    """
    Say what the text files are, of which none has the labels of a picture.

    :param listing: of the source
    :return: a sentence where there are files that may be meant as labels
    """
    texts = [path for path in listing.with_suffix('.txt') if not is_list(path)]
    names = {spell_name(name) for path in listing.images for name in (path.name, path.stem)}
    alike = [path for path in texts if spell_name(path.stem) in names]
    if labels := [path for path in texts if looks_like_labels(path)]:
        yield (
            f'{len(labels)} text files hold labels of YOLO, such as {listing.spell(labels[:1])}, '
            f'but no picture of that name is near; expected NAME.txt beside NAME.jpg, or in '
            f'labels/ where that is in images/'
        )
    elif alike:
        yield (
            f'{len(alike)} text files are called like pictures, such as '
            f'{listing.spell(alike[:1])}, but hold no labels of YOLO: '
            f'{read_line(alike[0])[:_SHOWN]!r}; expected class number, x, y, width, height'
        )


def _rest(listing: Listing, matches: Matches) -> list[Path]:
    return [image for image in listing.images if image not in matches]


def _used(matches: Matches) -> set[Path]:
    return {text for texts in matches.values() for text in texts}


def _find_ambiguous(matches: Matches, listing: Listing) -> Iterator[tuple[Path, Finding]]:
    """Find pictures with several label files, and label files of several pictures."""
    by_text: dict[Path, list[Path]] = {}
    for image, texts in matches.items():
        if len(texts) > 1:
            what = f'several label files fit: {listing.spell(texts)}; keep one; left out'
            yield image, Finding('ambiguous image', str(image), what)
        else:
            by_text.setdefault(texts[0], []).append(image)
    for text, images in by_text.items():
        what = f'several pictures of this name: {listing.spell(images)}; remove all but one'
        finding = Finding('ambiguous image', str(text), f'{what}; left out')
        if len(images) > 1:
            yield from ((image, finding) for image in images)


def _find_unread(
    images: Sequence[Path], strays: Sequence[Path], listing: Listing
) -> Iterator[tuple[Path, Finding]]:
    """Find pictures with label files that are no files, lie elsewhere, or not where expected."""
    texts = {*listing.with_suffix('.txt')}
    by_name: dict[str, list[Path]] = {}
    for path in strays:
        by_name.setdefault(spell_name(path.stem), []).append(path)
    # Frames of other sequences have the same numbers.
    nearest = cache(lambda folder: _find_nearest(folder, listing))
    for image in images:
        places = list_places(image, listing.root)
        there = [
            path
            for path in places
            if path not in texts and (os.path.lexists(path) or listing.is_unread(path))
        ]
        names = map(spell_name, (image.name, image.stem))
        near = (path for name in names for path in by_name.get(name, ()))
        stray = next((path for path in near if image.parent in nearest(path.parent)), None)
        if there:
            what = f'its label file {listing.spell(there[:1])} is not read (no file, a link that'
            text = f'{what} leads out, or in a folder that can not be read); left out'
        elif stray:
            what = f'labels of this name lie in {listing.spell([stray])}'
            text = f'{what}: put them beside the picture, or remove them; left out'
        else:
            continue
        yield image, Finding('image without annotation', str(image), text)


def _find_nearest(labels: Path, listing: Listing) -> set[Path]:
    """Find the folders of pictures that are the nearest to one of labels; they may be several."""
    one_each = {image.parent: image for image in listing.images}
    nearness = {
        folder: measure_nearness(image, labels / image.name) for folder, image in one_each.items()
    }
    most = max(nearness.values())
    return {folder for folder, near in nearness.items() if near == most}


def _describe_guess(images: Sequence[Path], pairs: Mapping[Path, Path], listing: Listing) -> str:
    text, image = listing.spell([pairs[images[0]]]), listing.spell(images[:1])
    return f'{len(images)} label files were found by name alone, such as {text} of {image}'
