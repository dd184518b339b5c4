"""Whether two images are one: within a split, and in both."""

from collections.abc import Iterable, Sequence

from ssd_training.data.annotations.annotations import Annotation, Finding
from ssd_training.data.images.records import Record
from ssd_training.errors import DataError


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
