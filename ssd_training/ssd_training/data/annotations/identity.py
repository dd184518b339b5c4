"""Which file an image is: whether two are one, within a split and in both, and where it lies."""

from collections.abc import Iterable, Iterator, Sequence
import os
from pathlib import Path

from ssd_training.data.annotations.annotations import Annotation, Finding
from ssd_training.data.files import is_inside
from ssd_training.data.images.records import Record
from ssd_training.errors import DataError


def keep_inside(
    annotations: Iterable[Annotation], homes: Sequence[Path], findings: list[Finding]
) -> Iterator[Annotation]:
    """
    Leave out images that lie where nobody said that they would.

    :param annotations: of a split
    :param homes: from find_homes
    :param findings: gets what is left out
    :return: the others, in the same order
    """
    for annotation in annotations:
        place = annotation.image.identity
        # What is missing was said, or will be: it can't be read.
        if is_inside(place, homes) or not os.path.exists(place):
            yield annotation
        else:
            findings.append(describe_outside(annotation.image.name, place))


def describe_outside(name: str, place: str) -> Finding:
    """
    Say that a file is not read for where it lies.

    :param name: of the file, as the data set has it
    :param place: where it lies
    :return: the finding
    """
    text = (
        f'leads out of the data set, to {place}; copy it, or take what lies outside as well: '
        f'data.files_outside_root=allow'
    )
    return Finding('file outside root', name, text)


def drop_repeated(annotations: Iterable[Annotation], findings: list[Finding]) -> list[Annotation]:
    """
    Leave out images that a split lists twice.

    :param annotations: of the split
    :param findings: gets what is left out
    :return: the others, in the same order
    """
    first: dict[str, Annotation] = {}
    for annotation in annotations:
        known = first.setdefault(annotation.image.identity, annotation)
        if known is not annotation:
            text = f'is listed more than once, also in {known.place}; leave it in one place'
            findings.append(Finding('duplicate image', annotation.image.name, text))
    return list(first.values())


def check_disjoint(train: Sequence[Record], val: Sequence[Record] = ()) -> None:
    """
    Refuse to test on images that were trained on.

    :param train: records of the one split
    :param val: records of the other
    :raises DataError: when an image is in both
    """
    trained_on = {record.image.identity for record in train}
    if shared := [record.image.name for record in val if record.image.identity in trained_on]:
        raise DataError(
            [
                f'data: {len(shared)} images are in both train_split and val_split, such as '
                f'{min(shared)}; choose splits without common images'
            ]
        )
