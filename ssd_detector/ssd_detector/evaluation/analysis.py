"""Everything that is told about one set of detections, from one look at it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ssd_detector.detections import Detections
from ssd_detector.evaluation.checks import check_inputs, Sizes
from ssd_detector.evaluation.coco import CocoResult, score_coco
from ssd_detector.evaluation.confusion import confuse, ConfusionMatrix
from ssd_detector.evaluation.errors_by_kind import ErrorSplit, split_errors
from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector.evaluation.matching import judge, Judgement, match, Matching
from ssd_detector.evaluation.operating_points import (
    best_common_point,
    best_operating_points,
    OperatingPoint,
)
from ssd_detector.evaluation.score_calibration import calibrate, Calibration
from ssd_detector.evaluation.sizes import SizeBand, split_sizes
from ssd_detector.evaluation.voc import (
    Curve,
    Interpolation,
    precision_recall,
    score_voc,
    VocResult,
)
from ssd_detector.evaluation.worst_images import find_worst_images, WorstImage


@dataclass(frozen=True, eq=False)
class ClassAnalysis:
    """
    One class; NaN where a number has no meaning, as AP without objects.

    :param label: its name
    :param num_objects: to find
    :param num_difficult: objects that are neither hit nor miss
    :param num_detections: down to the lowest score
    :param ap: VOC, at the IoU of the analysis
    :param ap_75: VOC, at IoU 0.75
    :param best: the score threshold of best F1, with precision and recall there
    :param curve: precision, recall and F1, detection by detection
    """

    label: str
    num_objects: int
    num_difficult: int
    num_detections: int
    ap: float
    ap_75: float
    best: OperatingPoint
    curve: Curve


@dataclass(frozen=True, eq=False)
class Analysis:
    """
    What one set of detections is worth, and why.

    :param iou_threshold: of everything here that names no IoU of its own
    :param interpolation: of every VOC figure: 11point or area
    :param voc: AP at iou_threshold
    :param voc_75: AP at IoU 0.75
    :param coco: the twelve figures of COCO
    :param classes: one a label
    :param best: the score threshold of best F1 for all classes alike
    :param confusion: at the score of best
    :param errors: kinds of errors, each as AP lost
    :param sizes: small, medium and large objects
    :param calibration: score against precision
    :param worst_images: with the boxes to draw
    :param matching: what all this was counted from; comparison.compare takes two of them
    """

    iou_threshold: float
    interpolation: Interpolation
    voc: VocResult
    voc_75: VocResult
    coco: CocoResult
    classes: tuple[ClassAnalysis, ...]
    best: OperatingPoint
    confusion: ConfusionMatrix
    errors: ErrorSplit
    sizes: tuple[SizeBand, ...]
    calibration: Calibration
    worst_images: tuple[WorstImage, ...]
    matching: Matching


def analyse(
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    *,
    labels: Sequence[str],
    iou_threshold: float = 0.5,
    interpolation: Interpolation = '11point',
    sizes_wh: Sizes | None = None,
    num_worst_images: int = 12,
) -> Analysis:
    """
    Check, match and count.

    :param detections: image id -> detections; an image that is not there has none
    :param ground_truths: image id -> objects; every image of the split is there
    :param labels: C texts, the names of classes 1..C
    :param iou_threshold: a hit overlaps its object at least so much
    :param interpolation: 11point (VOC2007) or area (from VOC2010 on)
    :param sizes_wh: image id -> width and height, px; where given, boxes must lie inside
    :param num_worst_images: at most; those without errors are left out
    :raises EvaluationError: with everything that can't be scored, or without faster-coco-eval
    """
    check_inputs(detections, ground_truths, labels=labels, sizes_wh=sizes_wh)
    matching = match(detections, ground_truths, labels)
    judgement = judge(matching, iou_threshold)
    voc = score_voc(matching, judgement, interpolation)
    voc_75 = score_voc(matching, judge(matching, 0.75), interpolation)
    points = best_operating_points(matching, judgement)
    best = best_common_point(matching, judgement)
    return Analysis(
        iou_threshold=iou_threshold,
        interpolation=interpolation,
        voc=voc,
        voc_75=voc_75,
        coco=score_coco(detections, ground_truths, labels),
        classes=_describe_classes(matching, judgement, points, (voc, voc_75)),
        best=best,
        confusion=confuse(matching, judgement, best.score_threshold),
        errors=split_errors(matching, judgement, interpolation),
        sizes=split_sizes(matching, iou_threshold, interpolation),
        calibration=calibrate(matching, judgement),
        worst_images=find_worst_images(
            matching,
            judgement,
            points,
            detections=detections,
            ground_truths=ground_truths,
            count=num_worst_images,
        ),
        matching=matching,
    )


def _describe_classes(
    matching: Matching,
    judgement: Judgement,
    points: Sequence[OperatingPoint],
    results: tuple[VocResult, VocResult],
) -> tuple[ClassAnalysis, ...]:
    objects = matching.objects
    size = len(matching.labels) + 1
    num_difficult = np.bincount(objects.class_ids[objects.is_difficult], minlength=size)
    num_detections = np.bincount(matching.class_ids, minlength=size)
    return tuple(
        ClassAnalysis(
            label=label,
            num_objects=int(judgement.num_objects[class_id]),
            num_difficult=int(num_difficult[class_id]),
            num_detections=int(num_detections[class_id]),
            ap=results[0].ap_by_label[label],
            ap_75=results[1].ap_by_label[label],
            best=point,
            curve=precision_recall(matching, judgement, class_id),
        )
        for class_id, (label, point) in enumerate(zip(matching.labels, points, strict=True), 1)
    )
