"""
Where the average precision goes: the kinds of errors of TIDE (arXiv:2008.08115).

Kinds are those of section 2.2. AP lost is that of section 2.3: what mAP gains when an oracle
mends one kind of errors and leaves all the others. The gains do not add up to 1 - mAP.
"""

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector.evaluation.matching import Judgement, Matching
from ssd_detector.evaluation.voc import Interpolation, score_voc

_BACKGROUND_IOU = 0.1

Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class ErrorKind:
    """
    One kind of errors.

    :param name: classification, localization, both, duplicate, background or missed
    :param count: detections, down to the lowest score; objects in the case of missed
    :param ap_lost: mAP without these errors, less mAP
    """

    name: str
    count: int
    ap_lost: float


@dataclass(frozen=True)
class ErrorSplit:
    """
    The kinds of errors, and the two sides.

    :param kinds: in TIDE's order
    :param false_positives_ap_lost: mAP without any false detection, less mAP
    :param false_negatives_ap_lost: mAP if only the objects found were to find, less mAP
    """

    kinds: tuple[ErrorKind, ...]
    false_positives_ap_lost: float
    false_negatives_ap_lost: float


def split_errors(
    matching: Matching, judgement: Judgement, interpolation: Interpolation
) -> ErrorSplit:
    """
    Sort errors by kind, and mend one kind after the other.

    :param matching: from match
    :param judgement: from judge
    :param interpolation: 11point or area
    """
    masks = _sort_errors(matching, judgement)
    missed = _find_missed(matching, judgement, masks)
    before = score_voc(matching, judgement, interpolation).ap_by_label

    def gain(matching: Matching, judgement: Judgement) -> float:
        return _mean_gain(before, score_voc(matching, judgement, interpolation).ap_by_label)

    moved_to = {'classification': matching.other_objects, 'localization': matching.own_objects}
    kinds = []
    for kind, mask in masks.items():
        if kind in moved_to:
            lost = gain(*_correct(matching, judgement, mask, moved_to[kind]))
        else:
            lost = gain(matching, _without(judgement, mask))
        kinds.append(ErrorKind(kind, int(mask.sum()), lost))
    lost = gain(matching, _not_to_find(matching, judgement, missed))
    kinds.append(ErrorKind('missed', int(missed.sum()), lost))
    is_false = judgement.is_counted & ~judgement.is_hit
    is_unhit = ~matching.objects.is_difficult
    is_unhit[matching.own_objects[judgement.is_hit]] = False
    return ErrorSplit(
        tuple(kinds),
        false_positives_ap_lost=gain(matching, _without(judgement, is_false)),
        false_negatives_ap_lost=gain(matching, _not_to_find(matching, judgement, is_unhit)),
    )


def _sort_errors(matching: Matching, judgement: Judgement) -> dict[str, Mask]:
    """Give each false detection the first kind that applies, as TIDE's own program asks."""
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
    masks: dict[str, Mask] = {}
    for kind, applies in rules.items():
        masks[kind] = is_error & applies
        is_error = is_error & ~applies
    order = ('classification', 'localization', 'both', 'duplicate', 'background')
    return {kind: masks[kind] for kind in order}


def _find_missed(matching: Matching, judgement: Judgement, masks: dict[str, Mask]) -> Mask:
    """Mark objects that no hit, localization or classification error covers."""
    is_found = matching.objects.is_difficult.copy()
    is_found[matching.own_objects[judgement.is_hit]] = True
    is_found[matching.own_objects[masks['localization']]] = True
    is_found[matching.other_objects[masks['classification']]] = True
    return ~is_found


def _without(judgement: Judgement, is_removed: Mask) -> Judgement:
    return dataclasses.replace(judgement, is_counted=judgement.is_counted & ~is_removed)


def _not_to_find(matching: Matching, judgement: Judgement, is_removed: Mask) -> Judgement:
    removed = np.bincount(
        matching.objects.class_ids[is_removed], minlength=len(judgement.num_objects)
    )
    return dataclasses.replace(judgement, num_objects=judgement.num_objects - removed)


def _correct(
    matching: Matching, judgement: Judgement, is_wrong: Mask, objects: NDArray[np.int64]
) -> tuple[Matching, Judgement]:
    """Let wrong detections hit their objects; of those that meet on one, only the best stays."""
    own_objects = np.where(is_wrong, objects, matching.own_objects)
    class_ids = matching.class_ids.copy()
    class_ids[is_wrong] = matching.objects.class_ids[objects[is_wrong]]
    candidates = np.flatnonzero(judgement.is_hit | is_wrong)
    candidates = candidates[~matching.objects.is_difficult[own_objects[candidates]]]
    _, best = np.unique(own_objects[candidates], return_index=True)
    is_hit = np.zeros_like(judgement.is_hit)
    is_hit[candidates[best]] = True
    # Earlier duplicates stay: they are a kind of their own.
    is_counted = judgement.is_counted & ~((judgement.is_hit | is_wrong) & ~is_hit)
    return (
        dataclasses.replace(matching, class_ids=class_ids),
        dataclasses.replace(judgement, is_hit=is_hit, is_counted=is_counted),
    )


def _mean_gain(before: dict[str, float], after: dict[str, float]) -> float:
    """Leave out classes without objects; one whose objects are all taken away gains nothing."""
    gains = [
        0.0 if np.isnan(after[label]) else after[label] - ap
        for label, ap in before.items()
        if not np.isnan(ap)
    ]
    return float(np.mean(gains)) if gains else float('nan')
