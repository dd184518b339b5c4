"""
Average precision as PASCAL VOC measures it (VOCdevkit, VOCevaldet.m).

The devkit counts pixels of boxes that include both ends: width = x2 - x1 + 1, from 1. Boxes here
are continuous with exclusive ends, (xmin - 1, ymin - 1, xmax, ymax) of the XML, whose width
x2 - x1 is the same number: plain IoU on them is the devkit's overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ssd_detector.boxes import iou_matrix
from ssd_detector.detections import Detections

Interpolation = Literal['11point', 'area']


@dataclass(frozen=True, eq=False)
class GroundTruths:
    """
    The objects annotated in one image.

    :param boxes_xyxy: (G, 4) float32, px, continuous: (xmin - 1, ymin - 1, xmax, ymax) of the XML
    :param class_ids: (G,) int64, from 1
    :param is_difficult: (G,) bool; such an object is neither hit nor miss
    :raises ValueError: when shapes do not belong together
    """

    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    is_difficult: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.class_ids)
        shapes = (self.boxes_xyxy.shape, self.class_ids.shape, self.is_difficult.shape)
        if shapes != ((count, 4), (count,), (count,)):
            raise ValueError(
                f'boxes_xyxy, class_ids, is_difficult have shapes {shapes}; '
                f'expected (G, 4), (G,), (G,)'
            )


@dataclass(frozen=True)
class VocResult:
    """
    Average precision of one set of detections.

    :param mean_ap: mean over the labels that have ground truths; NaN when there are none
    :param ap_by_label: AP of each label; NaN for a label without ground truths
    """

    mean_ap: float
    ap_by_label: dict[str, float]


def evaluate_voc(
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    *,
    labels: Sequence[str],
    iou_threshold: float = 0.5,
    interpolation: Interpolation = '11point',
) -> VocResult:
    """
    Score detections of a data set.

    :param detections: image id -> detections; an image that is not there has none
    :param ground_truths: image id -> objects; every image of the split is there
    :param labels: C texts, the names of classes 1..C
    :param iou_threshold: a hit overlaps its object at least so much
    :param interpolation: 11point (VOC2007) or area (from VOC2010 on)
    :return: AP by label and its mean
    :raises ValueError: when detections name an image that has no ground truths
    """
    if unknown := sorted(set(detections) - set(ground_truths)):
        raise ValueError(
            f'detections: {len(unknown)} images are not in the ground truth, such as '
            f'{unknown[0]}; evaluate on the split that was detected'
        )
    ap_by_label = {}
    for class_id, label in enumerate(labels, start=1):
        scores, is_hit, num_objects = _collect(detections, ground_truths, class_id, iou_threshold)
        precision, recall = _precision_recall(scores, is_hit, num_objects)
        ap = average_precision(precision, recall, interpolation)
        ap_by_label[label] = ap if num_objects else float('nan')
    known = [ap for ap in ap_by_label.values() if not np.isnan(ap)]
    return VocResult(float(np.mean(known)) if known else float('nan'), ap_by_label)


def average_precision(
    precision: NDArray[np.float64], recall: NDArray[np.float64], interpolation: Interpolation
) -> float:
    """
    Compute AP from a precision-recall curve.

    :param precision: (N,), by falling score
    :param recall: (N,), rising
    :param interpolation: 11point or area
    :return: in [0, 1]; 0 for an empty curve
    """
    # The best precision at this recall or any higher one.
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    if interpolation == '11point':
        # The devkit's own grid: its sums of 0.1 decide ties as the devkit decides them.
        first = np.searchsorted(recall, np.arange(0, 1.1, 0.1), side='left')
        return float(np.sum(np.append(envelope, 0.0)[first]) / 11)
    steps = np.diff(recall, prepend=0.0)
    return float(np.sum(steps * envelope))


def _collect(
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    class_id: int,
    iou_threshold: float,
) -> tuple[NDArray[np.float32], NDArray[np.bool_], int]:
    """Gather one class over all images: scores, hit or not, number of objects to find."""
    all_scores, all_hits, num_objects = [np.zeros(0, np.float32)], [np.zeros(0, bool)], 0
    for image_id, truth in ground_truths.items():
        is_member = truth.class_ids == class_id
        is_difficult = truth.is_difficult[is_member]
        num_objects += int(np.sum(~is_difficult))
        found = detections.get(image_id)
        if found is None or not np.any(mine := found.class_ids == class_id):
            continue
        ious = iou_matrix(
            found.boxes_xyxy[mine].astype(np.float64),
            truth.boxes_xyxy[is_member].astype(np.float64),
        )
        is_counted, is_hit = _judge(ious, is_difficult, iou_threshold)
        all_scores.append(found.scores[mine][is_counted])
        all_hits.append(is_hit[is_counted])
    return np.concatenate(all_scores), np.concatenate(all_hits), num_objects


def _judge(
    ious: NDArray[np.float64], is_difficult: NDArray[np.bool_], iou_threshold: float
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """
    Decide for the detections of one image and class, best first, which count and which hit.

    A detection belongs to the object that it overlaps most, taken or not: so the devkit has it.
    """
    is_counted, is_hit = np.ones(len(ious), bool), np.zeros(len(ious), bool)
    if ious.shape[1] == 0:
        return is_counted, is_hit
    is_taken = np.zeros(ious.shape[1], bool)
    for index, best in enumerate(np.argmax(ious, axis=1)):
        if ious[index, best] < iou_threshold:
            continue
        if is_difficult[best]:
            is_counted[index] = False
        elif not is_taken[best]:
            is_hit[index] = is_taken[best] = True
    return is_counted, is_hit


def _precision_recall(
    scores: NDArray[np.float32], is_hit: NDArray[np.bool_], num_objects: int
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    order = np.argsort(-scores, kind='stable')
    hits = np.cumsum(is_hit[order])
    precision = hits / np.arange(1, len(hits) + 1)
    return precision, hits / max(num_objects, 1)
