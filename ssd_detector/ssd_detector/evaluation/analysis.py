"""What to do about the score: the threshold of best F1 of each class, and kinds of errors."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector.evaluation.matching import Judgement, Matching
from ssd_detector.evaluation.voc import precision_recall

_BACKGROUND_IOU = 0.1


@dataclass(frozen=True)
class OperatingPoint:
    """
    The score threshold at which a class has its best F1; NaN where it has no detection.

    :param label: of the class
    :param num_objects: to find
    :param score_threshold: detections from this score on are kept
    :param precision: there
    :param recall: there
    :param f1: there
    """

    label: str
    num_objects: int
    score_threshold: float
    precision: float
    recall: float
    f1: float


def best_operating_points(matching: Matching, judgement: Judgement) -> list[OperatingPoint]:
    """
    Find the best threshold of each class.

    :param matching: from match
    :param judgement: from judge
    :return: one a class
    """
    points = []
    for class_id, label in enumerate(matching.labels, start=1):
        curve = precision_recall(matching, judgement, class_id)
        num_objects = int(judgement.num_objects[class_id])
        if not len(curve.scores):
            points.append(OperatingPoint(label, num_objects, *[float('nan')] * 4))
            continue
        total = curve.precision + curve.recall
        f1 = np.divide(
            2 * curve.precision * curve.recall, total, out=np.zeros_like(total), where=total > 0
        )
        # A threshold can't part equal scores.
        f1[:-1][curve.scores[:-1] == curve.scores[1:]] = -1
        best = int(np.argmax(f1))
        values = (curve.scores, curve.precision, curve.recall, f1)
        points.append(OperatingPoint(label, num_objects, *(float(v[best]) for v in values)))
    return points


def classify_errors(matching: Matching, judgement: Judgement) -> dict[str, int]:
    """
    Count the false positives of each kind (TIDE, arXiv:2008.08115, section 2.2) and the misses.

    :param matching: from match
    :param judgement: from judge
    :return: kind -> count; missed are objects that no localization or classification error covers
    """
    is_error = judgement.is_counted & ~judgement.is_hit
    own, other = matching.own_ious, matching.other_ious
    high = judgement.iou_threshold
    rules = {
        'localization': (own >= _BACKGROUND_IOU) & (own < high),
        'classification': other >= high,
        'duplicate': own >= high,
        'both': other >= _BACKGROUND_IOU,
        'background': np.ones(len(own), bool),
    }
    kinds: dict[str, NDArray[np.bool_]] = {}
    for kind, applies in rules.items():
        kinds[kind] = is_error & applies
        is_error = is_error & ~applies
    is_found = matching.objects.is_difficult.copy()
    is_found[matching.own_objects[judgement.is_hit]] = True
    is_found[matching.own_objects[kinds['localization']]] = True
    is_found[matching.other_objects[kinds['classification']]] = True
    counts = {kind: int(np.sum(members)) for kind, members in kinds.items()}
    return counts | {'missed': int(np.sum(~is_found))}
