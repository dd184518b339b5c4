"""From an analysis to the plain values of metrics.json."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector.evaluation.analysis import Analysis, ClassAnalysis
from ssd_detector.evaluation.operating_points import OperatingPoint
from ssd_detector.evaluation.score_calibration import Calibration
from ssd_detector.report.result import (
    CalibrationBin,
    ClassResult,
    ConfusionResult,
    CurveResult,
    ErrorResult,
    Origin,
    PointResult,
    Result,
    SizeResult,
)

_POINTS_OF_A_CURVE = 60
_DIGITS = 5


def describe(analysis: Analysis, origin: Origin) -> Result:
    """
    Write down an analysis.

    :param analysis: what was found
    :param origin: where it comes from
    :return: plain values; None in place of NaN
    """
    coco = {
        name: _known(value)
        for name, value in vars(analysis.coco).items()
        if isinstance(value, float)
    }
    return Result(
        origin=origin,
        labels=analysis.matching.labels,
        iou_threshold=analysis.iou_threshold,
        mean_ap=_known(analysis.voc.mean_ap),
        mean_ap_75=_known(analysis.voc_75.mean_ap),
        best=_point(analysis.best),
        coco=coco,
        by_class=tuple(
            _class(of_class, analysis.coco.ap_by_label[of_class.label])
            for of_class in analysis.classes
        ),
        by_size=_sizes(analysis),
        errors=tuple(
            ErrorResult(kind.name, kind.count, _known(kind.ap_lost))
            for kind in analysis.errors.kinds
        ),
        false_positives_ap_lost=_known(analysis.errors.false_positives_ap_lost),
        false_negatives_ap_lost=_known(analysis.errors.false_negatives_ap_lost),
        confusion=ConfusionResult(
            score_threshold=_known(analysis.confusion.score_threshold),
            names=analysis.confusion.names,
            counts=tuple(tuple(row) for row in analysis.confusion.counts.tolist()),
        ),
        calibration=_bins(analysis.calibration),
        calibration_error=_known(analysis.calibration.expected_error),
        curves=tuple(_curve(of_class) for of_class in analysis.classes),
        worst_images=tuple(worst.image_id for worst in analysis.worst_images),
    )


def _known(value: float) -> float | None:
    return None if math.isnan(value) else float(value)


def _point(point: OperatingPoint) -> PointResult | None:
    if math.isnan(point.f1):
        return None
    return PointResult(point.score_threshold, point.precision, point.recall, point.f1)


def _class(of_class: ClassAnalysis, ap_coco: float) -> ClassResult:
    return ClassResult(
        label=of_class.label,
        num_objects=of_class.num_objects,
        num_difficult=of_class.num_difficult,
        num_detections=of_class.num_detections,
        ap=_known(of_class.ap),
        ap_75=_known(of_class.ap_75),
        ap_coco=_known(ap_coco),
        best=_point(of_class.best),
    )


def _sizes(analysis: Analysis) -> tuple[SizeResult, ...]:
    return tuple(
        SizeResult(
            size=band.name,
            min_side_px=float(band.min_side_px),
            max_side_px=float(band.max_side_px) if math.isfinite(band.max_side_px) else None,
            num_objects=band.num_objects,
            ap=_known(band.voc.mean_ap),
            recall=_known(band.recall),
        )
        for band in analysis.sizes
    )


def _bins(calibration: Calibration) -> tuple[CalibrationBin, ...]:
    rows = zip(
        calibration.edges[:-1].round(6).tolist(),
        calibration.edges[1:].round(6).tolist(),
        calibration.num_detections.tolist(),
        map(_known, calibration.mean_scores.tolist()),
        map(_known, calibration.precision.tolist()),
        strict=True,
    )
    return tuple(CalibrationBin(*row) for row in rows)


def _curve(of_class: ClassAnalysis) -> CurveResult:
    curve = of_class.curve
    members = _thin(curve.scores, curve.recall)

    def pick(values: NDArray[Any]) -> tuple[float, ...]:
        return tuple(values[members].astype(np.float64).round(_DIGITS).tolist())

    return CurveResult(
        of_class.label, pick(curve.scores), pick(curve.precision), pick(curve.recall)
    )


def _thin(scores: NDArray[np.float32], recall: NDArray[np.float64]) -> NDArray[np.int64]:
    """Choose points that lie evenly on both axes that curves are drawn over."""
    if not len(scores):
        return np.zeros(0, np.int64)
    steps = np.linspace(0, 1, _POINTS_OF_A_CURVE)
    by_recall = np.searchsorted(recall, steps * recall[-1], side='left')
    by_score = np.searchsorted(-scores, -steps, side='left')
    chosen = np.concatenate([[0, len(scores) - 1], by_recall, by_score])
    return np.unique(chosen[chosen < len(scores)])
