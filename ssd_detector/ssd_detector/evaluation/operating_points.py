"""At which score to cut: the threshold of best F1, of each class and of all together."""

from dataclasses import dataclass

import numpy as np

from ssd_detector.evaluation.matching import Judgement, Matching
from ssd_detector.evaluation.voc import Curve, follow, precision_recall


@dataclass(frozen=True)
class OperatingPoint:
    """
    The score threshold of best F1; NaN where there is no detection or no object.

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
    return [
        best_point(
            precision_recall(matching, judgement, class_id),
            label,
            int(judgement.num_objects[class_id]),
        )
        for class_id, label in enumerate(matching.labels, start=1)
    ]


def best_common_point(matching: Matching, judgement: Judgement) -> OperatingPoint:
    """
    Find the best threshold for all classes alike, their detections counted together.

    :param matching: from match
    :param judgement: from judge
    :return: its label is "all classes"
    """
    num_objects = int(judgement.num_objects.sum())
    members = np.flatnonzero(judgement.is_counted)
    curve = follow(matching.scores[members], judgement.is_hit[members], num_objects)
    return best_point(curve, 'all classes', num_objects)


def best_point(curve: Curve, label: str, num_objects: int) -> OperatingPoint:
    """
    Find the best threshold of a curve; of equal ones, the highest.

    :param curve: from precision_recall
    :param label: of the class
    :param num_objects: to find
    """
    if not len(curve.scores) or not num_objects:
        return OperatingPoint(label, num_objects, *[float('nan')] * 4)
    f1 = curve.f1.copy()
    # A threshold can't part equal scores.
    f1[:-1][curve.scores[:-1] == curve.scores[1:]] = -1
    best = int(np.argmax(f1))
    values = (curve.scores, curve.precision, curve.recall, f1)
    return OperatingPoint(label, num_objects, *(float(v[best]) for v in values))
