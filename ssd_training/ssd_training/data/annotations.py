"""From annotations to records; what is wrong is said, or repaired and counted."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
import logging
from typing import Literal

import numpy as np

from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.data.records import ImageSource, Record
from ssd_training.errors import DataError

_SHOWN = 20

Box = tuple[float, float, float, float]
Kind = Literal[
    'missing file',
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
    'image without annotation',
    'similar names',
    'class without objects',
    'rare class',
]

logger = logging.getLogger(__name__)


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
        return f'{self.place}: {self.text}'


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


def to_records(
    annotations: Iterable[Annotation], policy: Policy, *, findings: Sequence[Finding], name: str
) -> list[Record]:
    """
    Make records, if nothing is wrong that the policy does not allow.

    What is repaired or left out is counted in the log.

    :param annotations: of a split
    :param policy: what is allowed
    :param findings: what was wrong already when they were read
    :param name: of the split, for messages
    :return: in the same order
    :raises DataError: with everything that is wrong
    """
    wrong, counts = list(findings), Counter[str]()
    records = []
    for annotation in annotations:
        objects = _apply(annotation, policy, wrong, counts)
        counts['images without objects'] += not objects
        if objects or policy.empty_images == 'keep':
            truths = _to_ground_truths(objects, policy.labels)
            records.append(
                Record(annotation.image_id, annotation.image, annotation.size_wh, truths)
            )
    if wrong:
        raise DataError(_shorten([str(finding) for finding in wrong]))
    if not records:
        raise DataError([f'{name}: has no image to use; data.empty_images is skip'])
    _log_counts(name, counts, policy)
    return records


def check_objects(annotation: Annotation, policy: Policy) -> Iterator[Finding]:
    """
    Find what is wrong with the objects of one image.

    :param annotation: of the image
    :param policy: its labels and limits; what it allows is found all the same
    :return: the findings
    """
    for found in annotation.objects:
        if found.label not in policy.labels:
            yield Finding(
                'unknown class',
                annotation.place,
                f'{found.label}: unknown class; data.labels has {", ".join(policy.labels)}',
            )
        if kind := _box_kind(found.box_xyxy, annotation.size_wh, policy.min_box_size_px):
            text = (
                f'{found.label}: {kind}: edges {_format_box(found.box_xyxy)} px in an image of '
                f'{annotation.size_wh[0]}x{annotation.size_wh[1]} px'
            )
            if kind == 'box outside image' and annotation.hint:
                text = f'{text}; {annotation.hint}'
            yield Finding(kind, annotation.place, text)
    if len(annotation.objects) > policy.max_boxes:
        yield Finding(
            'too many boxes',
            annotation.place,
            f'has {len(annotation.objects)} objects; data.max_boxes is {policy.max_boxes}, '
            f'raise it',
        )


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


def check_disjoint(train: Sequence[Record], val: Sequence[Record]) -> None:
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


def clip_box(box_xyxy: Box, size_wh: tuple[int, int]) -> Box:
    """
    Cut off what leaves the image.

    :param box_xyxy: edges, px
    :param size_wh: of the image, px
    :return: edges, px
    """
    (x1, y1, x2, y2), (width, height) = box_xyxy, size_wh
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))


def _apply(
    annotation: Annotation, policy: Policy, wrong: list[Finding], counts: Counter[str]
) -> list[AnnotatedObject]:
    """Keep, repair or leave out each object; add to wrong and counts."""
    allowed = (
        {'box outside image', 'degenerate box'} if policy.invalid_boxes == 'repair' else set()
    )
    allowed |= {'unknown class'} if policy.unknown_classes == 'ignore' else set()
    wrong += [
        finding for finding in check_objects(annotation, policy) if finding.kind not in allowed
    ]
    kept = []
    for found in annotation.objects:
        box = clip_box(found.box_xyxy, annotation.size_wh)
        if found.label not in policy.labels:
            counts['objects of other classes left out'] += 1
        elif min(box[2] - box[0], box[3] - box[1]) < policy.min_box_size_px:
            counts['degenerate boxes left out'] += 1
        else:
            counts['boxes cut at the edge of the image'] += box != found.box_xyxy
            kept.append(AnnotatedObject(found.label, box, found.is_difficult))
    return kept


def _box_kind(box_xyxy: Box, size_wh: tuple[int, int], min_size_px: float) -> Kind | None:
    x1, y1, x2, y2 = box_xyxy
    # Not `<`: a NaN is degenerate, too.
    if not (x2 - x1 >= min_size_px and y2 - y1 >= min_size_px):
        return 'degenerate box'
    if clip_box(box_xyxy, size_wh) != box_xyxy:
        return 'box outside image'
    return None


def _log_counts(name: str, counts: Counter[str], policy: Policy) -> None:
    for what, count in counts.items():
        if count:
            skipped = what == 'images without objects' and policy.empty_images == 'skip'
            logger.info('%s: %d %s%s', name, count, what, ', skipped' if skipped else '')


def _format_box(box_xyxy: Box) -> str:
    return ', '.join(f'{value:g}' for value in box_xyxy)


def _to_ground_truths(objects: Sequence[AnnotatedObject], labels: Sequence[str]) -> GroundTruths:
    class_ids = {label: class_id for class_id, label in enumerate(labels, start=1)}
    return GroundTruths(
        boxes_xyxy=np.array([found.box_xyxy for found in objects], np.float32).reshape(-1, 4),
        class_ids=np.array([class_ids[found.label] for found in objects], np.int64),
        is_difficult=np.array([found.is_difficult for found in objects], bool),
    )


def _shorten(findings: list[str]) -> list[str]:
    rest = len(findings) - _SHOWN
    return [*findings[:_SHOWN], f'... and {rest} findings more'] if rest > 0 else findings
