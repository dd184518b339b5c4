"""Average precision as PASCAL VOC measures it (VOCdevkit, VOCevaldet.m and VOCap.m)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ssd_detector.detections import Detections
from ssd_detector.evaluation.checks import check_inputs, Sizes
from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector.evaluation.matching import judge, Judgement, match, Matching

__all__ = [
    'Curve',
    'GroundTruths',
    'Interpolation',
    'VocResult',
    'average_precision',
    'evaluate_voc',
    'follow',
    'precision_recall',
    'score_voc',
]

Interpolation = Literal['11point', 'area']


@dataclass(frozen=True)
class VocResult:
    """
    Average precision of one set of detections.

    :param mean_ap: mean over the labels that have ground truths; NaN when there are none
    :param ap_by_label: AP of each label; NaN for a label without ground truths
    """

    mean_ap: float
    ap_by_label: dict[str, float]


@dataclass(frozen=True, eq=False)
class Curve:
    """
    What one class reaches as its score threshold falls, detection by detection.

    :param scores: (N,) float32, falling
    :param precision: (N,) float64
    :param recall: (N,) float64, rising
    """

    scores: NDArray[np.float32]
    precision: NDArray[np.float64]
    recall: NDArray[np.float64]

    @property
    def f1(self) -> NDArray[np.float64]:
        """Give the harmonic mean of precision and recall; 0 where both are 0."""
        total = self.precision + self.recall
        product = 2 * self.precision * self.recall
        return np.divide(product, total, out=np.zeros_like(total), where=total > 0)


def evaluate_voc(
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    *,
    labels: Sequence[str],
    iou_threshold: float = 0.5,
    interpolation: Interpolation = '11point',
    sizes_wh: Sizes | None = None,
) -> VocResult:
    """
    Score detections of a data set.

    :param detections: image id -> detections; an image that is not there has none
    :param ground_truths: image id -> objects; every image of the split is there
    :param labels: C texts, the names of classes 1..C
    :param iou_threshold: a hit overlaps its object at least so much
    :param interpolation: 11point (VOC2007) or area (from VOC2010 on)
    :param sizes_wh: image id -> width and height, px; where given, boxes must lie inside
    :return: AP by label and its mean
    :raises EvaluationError: with everything that can't be scored
    """
    check_inputs(detections, ground_truths, labels=labels, sizes_wh=sizes_wh)
    matching = match(detections, ground_truths, labels)
    return score_voc(matching, judge(matching, iou_threshold), interpolation)


def score_voc(matching: Matching, judgement: Judgement, interpolation: Interpolation) -> VocResult:
    """
    Score what was matched already.

    :param matching: from match
    :param judgement: from judge
    :param interpolation: 11point or area
    :return: AP by label and its mean
    """
    ap_by_label = {}
    for class_id, label in enumerate(matching.labels, start=1):
        curve = precision_recall(matching, judgement, class_id)
        ap = average_precision(curve.precision, curve.recall, interpolation)
        ap_by_label[label] = ap if judgement.num_objects[class_id] else float('nan')
    known = [ap for ap in ap_by_label.values() if not np.isnan(ap)]
    return VocResult(float(np.mean(known)) if known else float('nan'), ap_by_label)


def precision_recall(matching: Matching, judgement: Judgement, class_id: int) -> Curve:
    """
    Follow one class down its scores.

    :param matching: from match
    :param judgement: from judge
    :param class_id: the class
    :return: one point for each detection that counts
    """
    members = np.flatnonzero((matching.class_ids == class_id) & judgement.is_counted)
    num_objects = int(judgement.num_objects[class_id])
    return follow(matching.scores[members], judgement.is_hit[members], num_objects)


def follow(scores: NDArray[np.float32], is_hit: NDArray[np.bool_], num_objects: int) -> Curve:
    """
    Count hits down the scores.

    :param scores: (N,) float32, falling
    :param is_hit: (N,) bool
    :param num_objects: to find; recall is 0 where there are none
    :return: N points
    """
    hits = np.cumsum(is_hit)
    precision = hits / np.arange(1, len(hits) + 1)
    return Curve(scores, precision, hits / max(num_objects, 1))


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
        # k * 0.1, as all Python ports have it: the rounding decides recalls of exactly 0.6 or 0.7.
        first = np.searchsorted(recall, np.arange(0, 1.1, 0.1), side='left')
        return float(np.sum(np.append(envelope, 0.0)[first]) / 11)
    steps = np.diff(recall, prepend=0.0)
    return float(np.sum(steps * envelope))
