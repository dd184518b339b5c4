"""From annotations to records; what is wrong is said, or repaired and counted."""

from collections import Counter
from collections.abc import Iterable, Sequence
import logging

import numpy as np

from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.data.annotations.annotations import (
    AnnotatedObject,
    Annotation,
    check_objects,
    Finding,
    Policy,
)
from ssd_training.data.annotations.boxes import find_usable_box
from ssd_training.data.images.records import Record
from ssd_training.errors import DataError

_SHOWN = 20

logger = logging.getLogger(__name__)


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
        box = find_usable_box(found.box_xyxy, annotation.size_wh, policy.min_box_size_px)
        if found.label not in policy.labels:
            counts['objects of other classes left out'] += 1
        elif box is None:
            counts['degenerate boxes left out'] += 1
        else:
            counts['boxes cut at the edge of the image'] += box != found.box_xyxy
            kept.append(AnnotatedObject(found.label, box, found.is_difficult))
    return kept


def _log_counts(name: str, counts: Counter[str], policy: Policy) -> None:
    for what, count in counts.items():
        if count:
            skipped = what == 'images without objects' and policy.empty_images == 'skip'
            logger.info('%s: %d %s%s', name, count, what, ', skipped' if skipped else '')


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
