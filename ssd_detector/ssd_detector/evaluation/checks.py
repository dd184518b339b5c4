"""Refuses what can't be scored: every finding at once, nothing dropped in silence."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from ssd_detector.detections import Detections
from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.ground_truths import GroundTruths

_SHOWN = 20
# Files of other tools round to whole pixels, or count the last pixel differently.
_TOLERANCE_PX = 1.0

Sizes = Mapping[str, tuple[int, int]]


def check_inputs(
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    *,
    labels: Sequence[str],
    sizes_wh: Sizes | None = None,
) -> None:
    """
    Look at every box, score and class before anything is scored.

    :param detections: image id -> detections; an image that is not there has none
    :param ground_truths: image id -> objects; every image of the split is there
    :param labels: C texts, the names of classes 1..C
    :param sizes_wh: image id -> width and height, px; without it no box is outside
    :raises EvaluationError: with everything that is wrong
    """
    findings = [
        *_check_labels(labels),
        *_check_images(detections, ground_truths),
        *_check_objects(ground_truths, labels, sizes_wh),
        *_check_detections(detections, labels, sizes_wh),
    ]
    if findings:
        raise EvaluationError(shorten(findings))


def shorten(findings: Sequence[str]) -> list[str]:
    """
    Keep a list of findings readable.

    :param findings: any number
    :return: the first 20, and how many more there are
    """
    rest = len(findings) - _SHOWN
    return [*findings[:_SHOWN], *([f'... and {rest} findings more'] if rest > 0 else [])]


def _check_labels(labels: Sequence[str]) -> Iterator[str]:
    if not labels:
        yield 'labels: the list is empty; give the names of the classes 1, 2, ...'
    if twice := sorted({label for label in labels if list(labels).count(label) > 1}):
        yield f'labels: {", ".join(twice)} given more than once; labels are unique'


def _check_images(
    detections: Mapping[str, Detections], ground_truths: Mapping[str, GroundTruths]
) -> Iterator[str]:
    if unknown := sorted(set(detections) - set(ground_truths)):
        yield (
            f'detections: {len(unknown)} images are not in the ground truth, such as '
            f'{unknown[0]}; evaluate on the split that was detected'
        )
    if not any(np.any(~truth.is_difficult) for truth in ground_truths.values()):
        yield (
            f'ground truth: no object to find in {len(ground_truths)} images (difficult ones do '
            f'not count); check the split and its annotations'
        )


def _check_objects(
    ground_truths: Mapping[str, GroundTruths], labels: Sequence[str], sizes_wh: Sizes | None
) -> Iterator[str]:
    for image_id, truth in ground_truths.items():
        where = f'ground truth: {image_id}'
        yield from _check_classes(where, truth.class_ids, labels)
        yield from _check_boxes(where, truth.boxes_xyxy, (sizes_wh or {}).get(image_id))


def _check_detections(
    detections: Mapping[str, Detections], labels: Sequence[str], sizes_wh: Sizes | None
) -> Iterator[str]:
    names = ('background', *labels)
    for image_id, found in detections.items():
        where = f'detections: {image_id}'
        wrong_classes = list(_check_classes(where, found.class_ids, labels))
        yield from wrong_classes
        yield from _check_boxes(where, found.boxes_xyxy, (sizes_wh or {}).get(image_id))
        yield from _check_scores(where, found.scores)
        if not wrong_classes:
            yield from _check_names(where, found, names)


def _check_classes(
    where: str, class_ids: NDArray[np.int64], labels: Sequence[str]
) -> Iterator[str]:
    for index in np.flatnonzero((class_ids < 1) | (class_ids > len(labels))):
        yield (
            f'{where}: class {class_ids[index]} of box {index}: the class list has 1..'
            f'{len(labels)}; score with the labels that the model was trained on'
        )


def _check_boxes(
    where: str, boxes_xyxy: NDArray[np.float32], size_wh: tuple[int, int] | None
) -> Iterator[str]:
    if not len(boxes_xyxy):
        return
    width, height = size_wh or (np.inf, np.inf)
    # Written so that a NaN, which compares as false, is found, too.
    is_box = np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
    is_box &= np.all(np.isfinite(boxes_xyxy), axis=1)
    low, high = -_TOLERANCE_PX, np.array([width, height]) + _TOLERANCE_PX
    starts_inside = np.all(boxes_xyxy[:, :2] >= low, axis=1) | (size_wh is None)
    is_wrong = ~(is_box & starts_inside & np.all(boxes_xyxy[:, 2:] <= high, axis=1))
    for index in np.flatnonzero(is_wrong):
        text = ', '.join(f'{value:g}' for value in boxes_xyxy[index])
        what = (
            f'leaves the image of {width}x{height} px'
            if is_box[index]
            else 'is empty, inverted or not finite'
        )
        yield f'{where}: box {index} ({text}) {what}; expected x1 < x2, y1 < y2 in pixels'


def _check_scores(where: str, scores: NDArray[np.float32]) -> Iterator[str]:
    for index in np.flatnonzero(~((scores >= 0) & (scores <= 1))):
        yield f'{where}: score of box {index} is {scores[index]:g}; expected a number in [0, 1]'


def _check_names(where: str, found: Detections, names: Sequence[str]) -> Iterator[str]:
    expected = [names[class_id] for class_id in found.class_ids]
    if found.labels != expected:
        index = next(i for i, name in enumerate(expected) if name != found.labels[i])
        yield (
            f'{where}: box {index} of class {found.class_ids[index]} is labelled '
            f'{found.labels[index]}; the class list says {expected[index]}: the lists do not match'
        )
