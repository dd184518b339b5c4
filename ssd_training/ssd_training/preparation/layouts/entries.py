"""Pictures of files that have many: which of them can be taken."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ssd_training.data.annotations.annotations import Finding
from ssd_training.preparation.layouts.labelled import LabelledImage
from ssd_training.preparation.layouts.listing import Listing


@dataclass(frozen=True)
class Entry:
    """
    What a file has on one picture.

    :param found: the picture; several, where nothing tells which; none, where it is missing
    :param image: with its labels; None where these can't be read or belong to no one picture
    """

    found: Sequence[Path]
    image: LabelledImage | None = None


def take_entries(
    listing: Listing, entries: Sequence[Entry], *, source: str
) -> tuple[list[LabelledImage], list[Finding]]:
    """
    Take the pictures whose labels can be read, in each file that has them.

    Files may have a picture for a class each: what one of them lacks would be background.

    :param listing: of the source
    :param entries: of all files
    :param source: what the files are
    :return: the pictures, and those that no file has
    """
    unread = {entry.found[0] for entry in entries if len(entry.found) == 1 and not entry.image}
    images = [entry.image for entry in entries if entry.image]
    named = {path for entry in entries for path in entry.found}
    text = f'in no {source}; left out'
    findings = [
        Finding('image without annotation', str(path), text)
        for path in listing.images
        if path not in named
    ]
    return [image for image in images if image.path not in unread], findings


def describe_search(listing: Listing, place: str, found: Sequence[Path]) -> Finding:
    """
    Say why a name is not that of one picture.

    :param listing: of the source
    :param place: of the entry, for messages
    :param found: none or several
    :return: the finding
    """
    if not found:
        return Finding('missing file', place, 'no picture of that name; left out')
    several = f'several pictures of this name: {listing.spell(found)}'
    return Finding('ambiguous image', place, f'{several}; name the folder, too; left out')
