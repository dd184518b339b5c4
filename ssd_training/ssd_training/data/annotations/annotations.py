"""Annotations, right or wrong, and what is wrong with their objects."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from ssd_detector.printable import printable
from ssd_training.data.annotations.boxes import (
    Box,
    clip_box,
    is_degenerate,
    is_normalized,
    ROUNDING_PX,
)
from ssd_training.data.images.records import ImageSource

Kind = Literal[
    'missing file',
    'file outside root',
    'ambiguous image',
    'unreadable annotation',
    'unreadable image',
    'undecided orientation',
    'unused bits',
    'unknown class',
    'box outside image',
    'degenerate box',
    'too many boxes',
    'duplicate box',
    'duplicate image',
    'empty image',
    'leakage',
    'picture without split',
    'image without annotation',
    'similar names',
    'no objects',
    'class without objects',
    'dropped objects',
    'rare class',
]


@dataclass(frozen=True)
class AnnotatedObject:
    """
    An object as it was annotated, right or wrong.

    :param label: its class
    :param box_xyxy: edges, px
    :param is_difficult: VOC's difficult, COCO's crowd: neither hit nor miss, neither learnt
    """

    label: str
    box_xyxy: Box
    is_difficult: bool


@dataclass(frozen=True)
class Annotation:
    """
    An image's annotation, right or wrong.

    :param image_id: unique within the split
    :param image: where its pixels come from
    :param place: file that says so, for messages
    :param size_wh: px
    :param objects: in the order of the file
    :param hint: what boxes that leave the image may come from
    """

    image_id: str
    image: ImageSource
    place: str
    size_wh: tuple[int, int]
    objects: tuple[AnnotatedObject, ...]
    hint: str = ''


@dataclass(frozen=True)
class Finding:
    """
    Something that is wrong with a data set.

    :param kind: what
    :param place: file, or file and image
    :param text: in words
    """

    kind: Kind
    place: str
    text: str

    def __str__(self) -> str:
        return printable(f'{self.place}: {self.text}')


@dataclass(frozen=True)
class Policy:
    """
    What is done about annotations that are wrong; see DataSettings.

    :param labels: names of the classes 1, 2, ...
    :param max_boxes: objects of an image at most
    :param invalid_boxes: error or repair
    :param min_box_size_px: smaller sides are degenerate
    :param unknown_classes: error or ignore
    :param empty_images: keep or skip
    """

    labels: Sequence[str]
    max_boxes: int
    invalid_boxes: Literal['error', 'repair'] = 'error'
    min_box_size_px: float = 1.0
    unknown_classes: Literal['error', 'ignore'] = 'error'
    empty_images: Literal['keep', 'skip'] = 'keep'


def check_objects(annotation: Annotation, policy: Policy) -> Iterator[Finding]:
    """
    Find what is wrong with the objects of one image.

    :param annotation: of the image
    :param policy: its labels and limits; what it allows is found all the same
    :return: the findings
    """
    for found in annotation.objects:
        if found.label not in policy.labels:
            similar = find_similar(found.label, policy.labels)
            hint = f'; write {similar} as the annotations do' if similar else ''
            yield Finding(
                'unknown class',
                annotation.place,
                f'{found.label}: unknown class; data.labels has {", ".join(policy.labels)}{hint}',
            )
        if kind := box_kind(found.box_xyxy, annotation.size_wh, policy.min_box_size_px):
            text = (
                f'{found.label}: {kind}: edges {_format_box(found.box_xyxy)} px in an image of '
                f'{annotation.size_wh[0]}x{annotation.size_wh[1]} px'
            )
            if is_normalized(found.box_xyxy, annotation.size_wh):
                text = f'{text}; all between 0 and 1: expected pixels, not shares of the image'
            elif kind == 'box outside image' and annotation.hint:
                text = f'{text}; {annotation.hint}'
            yield Finding(kind, annotation.place, text)
    if len(annotation.objects) > policy.max_boxes:
        yield Finding(
            'too many boxes',
            annotation.place,
            f'has {len(annotation.objects)} objects; data.max_boxes is {policy.max_boxes}, '
            f'raise it',
        )


def box_kind(box_xyxy: Box, size_wh: tuple[int, int], min_size_px: float) -> Kind | None:
    """
    Tell what is wrong with a box.

    :param box_xyxy: edges, px
    :param size_wh: of the image, px
    :param min_size_px: smaller sides are degenerate
    :return: degenerate box, box outside image, or nothing
    """
    if is_degenerate(box_xyxy, min_size_px):
        return 'degenerate box'
    pairs = zip(clip_box(box_xyxy, size_wh), box_xyxy, strict=True)
    # Not `>`: what a NaN is cut to is no equal of it.
    if not all(abs(cut - edge) <= ROUNDING_PX for cut, edge in pairs):
        return 'box outside image'
    return None


def find_similar(label: str, labels: Sequence[str]) -> str | None:
    """
    Find a label that differs in capitals, blanks and punctuation only.

    :param label: unknown
    :param labels: the known ones
    :return: one of them, if any
    """
    letters = letters_of(label)
    return next((known for known in labels if letters_of(known) == letters), None)


def letters_of(label: str) -> str:
    """
    Spell a label without what people write in several ways.

    :param label: of a class
    :return: letters and digits in lower case; the label itself where it has none
    """
    return ''.join(filter(str.isalnum, label.casefold())) or label


def _format_box(box_xyxy: Box) -> str:
    return ', '.join(f'{value:g}' for value in box_xyxy)
