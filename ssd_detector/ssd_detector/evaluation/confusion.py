"""Which class is taken for which: the confusion matrix of a detector."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector.evaluation.matching import Judgement, Matching, NONE


@dataclass(frozen=True, eq=False)
class ConfusionMatrix:
    """
    Objects by what they were taken for, at one score and IoU.

    :param names: background and the C labels
    :param counts: (C + 1, C + 1) int64, [true class, detected class]; row 0 holds detections of
        nothing (second ones of an object, too), column 0 missed objects; [0, 0] is 0
    :param score_threshold: detections from this score on are counted
    :param iou_threshold: a detection overlaps its object at least so much
    """

    names: tuple[str, ...]
    counts: NDArray[np.int64]
    score_threshold: float
    iou_threshold: float


def confuse(matching: Matching, judgement: Judgement, score_threshold: float) -> ConfusionMatrix:
    """
    Count each object that is not difficult once, and each counted detection once.

    Hits come first. Of the other detections, the best that overlaps an object of another class,
    which nothing has hit, takes it; what is left is background.

    :param matching: from match
    :param judgement: from judge
    :param score_threshold: detections from this score on are counted; NaN counts none
    """
    is_kept = judgement.is_counted & (matching.scores >= score_threshold)
    objects = np.full(len(matching.scores), NONE)
    hits = np.flatnonzero(is_kept & judgement.is_hit)
    objects[hits] = matching.own_objects[hits]
    is_free = np.ones(len(matching.objects.class_ids), bool)
    is_free[objects[hits]] = False
    candidates = np.flatnonzero(
        is_kept & ~judgement.is_hit & (matching.other_ious >= judgement.iou_threshold)
    )
    candidates = candidates[is_free[matching.other_objects[candidates]]]
    # Detections stand by falling score: the first of an object is its best.
    taken, best = np.unique(matching.other_objects[candidates], return_index=True)
    objects[candidates[best]] = taken
    is_free[taken] = False

    size = len(matching.labels) + 1
    counts = np.zeros((size, size), np.int64)
    true_classes = np.where(objects == NONE, 0, matching.objects.class_ids[objects])
    np.add.at(counts, (true_classes[is_kept], matching.class_ids[is_kept]), 1)
    is_missed = is_free & ~matching.objects.is_difficult
    np.add.at(counts[:, 0], matching.objects.class_ids[is_missed], 1)
    names = ('background', *matching.labels)
    return ConfusionMatrix(names, counts, score_threshold, judgement.iou_threshold)
