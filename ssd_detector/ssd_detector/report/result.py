"""What an evaluation found, as metrics.json keeps it: one dataclass an object of the file."""

from dataclasses import dataclass
from typing import Literal

from ssd_detector.config import STRICT


@dataclass(frozen=True)
class PointResult:
    """
    What a score threshold gives; here always the one of best F1.

    :param score_threshold: detections from this score on are kept
    :param precision: there
    :param recall: there
    :param f1: there
    """

    __pydantic_config__ = STRICT

    score_threshold: float
    precision: float
    recall: float
    f1: float


@dataclass(frozen=True)
class ClassResult:
    """
    One class; None where there is nothing to measure.

    :param label: its name
    :param num_objects: to find; difficult ones do not count
    :param num_difficult: neither hit nor miss
    :param num_detections: down to the lowest score
    :param ap: at the IoU of the result
    :param ap_75: at IoU 0.75
    :param ap_coco: by COCO's rules, mean over IoU 0.50, 0.55, ..., 0.95
    :param best: at the score threshold of best F1
    """

    __pydantic_config__ = STRICT

    label: str
    num_objects: int
    num_difficult: int
    num_detections: int
    ap: float | None
    ap_75: float | None
    ap_coco: float | None
    best: PointResult | None


@dataclass(frozen=True)
class CurveResult:
    """
    What a class reaches as its score threshold falls, in at most some hundred points.

    :param label: of the class
    :param scores: thresholds, falling
    :param precision: at each
    :param recall: at each
    """

    __pydantic_config__ = STRICT

    label: str
    scores: tuple[float, ...]
    precision: tuple[float, ...]
    recall: tuple[float, ...]

    @property
    def f1(self) -> tuple[float, ...]:
        """Harmonic mean of precision and recall at each threshold."""
        pairs = zip(self.precision, self.recall, strict=True)
        return tuple(2 * p * r / (p + r) if p + r else 0.0 for p, r in pairs)


@dataclass(frozen=True)
class ErrorResult:
    """
    One kind of error (TIDE, arXiv:2008.08115).

    :param kind: classification, localization, both, duplicate, background or missed
    :param count: of detections, or of objects that were missed
    :param ap_lost: how much mAP would rise without them; these do not add up to 1 - mAP
    """

    __pydantic_config__ = STRICT

    kind: str
    count: int
    ap_lost: float | None


@dataclass(frozen=True)
class SizeResult:
    """
    Objects of one size.

    :param size: small, medium or large
    :param min_side_px: of a square of the smallest area
    :param max_side_px: of a square of the largest area; None has no limit
    :param num_objects: to find
    :param ap: mean over classes at the IoU of the result, among these
    :param recall: share that is found by any detection
    """

    __pydantic_config__ = STRICT

    size: str
    min_side_px: float
    max_side_px: float | None
    num_objects: int
    ap: float | None
    recall: float | None


@dataclass(frozen=True)
class CalibrationBin:
    """
    Detections of one range of scores.

    :param low: its lower edge
    :param high: its upper edge
    :param count: of detections
    :param mean_score: what the model says; None without detections
    :param precision: the share that hits; None without detections
    """

    __pydantic_config__ = STRICT

    low: float
    high: float
    count: int
    mean_score: float | None
    precision: float | None


@dataclass(frozen=True)
class ConfusionResult:
    """
    Which class was taken for which.

    :param score_threshold: detections from this score on take part
    :param names: background and the labels
    :param counts: a row for each annotated class, a column for each detected one; row 0 holds
        detections of nothing, column 0 objects that were not found
    """

    __pydantic_config__ = STRICT

    score_threshold: float | None
    names: tuple[str, ...]
    counts: tuple[tuple[int, ...], ...]


@dataclass(frozen=True)
class DataResult:
    """
    What was scored on.

    :param name: of data set and split
    :param num_images: all of them
    :param num_objects: to find
    :param num_difficult: neither hit nor miss
    :param sha256: of ids, sizes and objects
    """

    __pydantic_config__ = STRICT

    name: str
    num_images: int
    num_objects: int
    num_difficult: int
    sha256: str


@dataclass(frozen=True)
class Origin:
    """
    Where a result comes from.

    :param title: of what was scored
    :param created_at: ISO 8601, UTC
    :param source: what it is, and for files path and SHA-256
    :param data: what it was scored on
    :param settings: the section `eval`, its keys joined by dots
    :param versions: of the libraries
    :param speed_ms: mean time of an image by step: decode, preprocess, inference, postprocess;
        empty for detections from a file
    :param wall_s: of all images, with steps side by side
    """

    __pydantic_config__ = STRICT

    title: str
    created_at: str
    source: dict[str, str]
    data: DataResult
    settings: dict[str, float | int | str]
    versions: dict[str, str]
    speed_ms: dict[str, float]
    wall_s: float


@dataclass(frozen=True)
class Result:
    """
    metrics.json. Shares, not percent; times in ms; None where there is nothing to measure.

    :param labels: classes 1, 2, ...
    :param iou_threshold: of everything here that names no IoU of its own
    :param mean_ap: mean over classes of AP
    :param mean_ap_75: likewise at IoU 0.75
    :param best: at the score threshold of best F1, all classes together
    :param coco: ap, ap_50, ap_75, ap_small, ..., ar_1, ar_10, ar_100, ..., by COCO's rules
    :param by_class: in the order of labels
    :param by_size: small to large
    :param errors: by kind
    :param false_positives_ap_lost: how much mAP would rise without any false detection
    :param false_negatives_ap_lost: how much if only the objects found were to find
    :param calibration: by rising score
    :param calibration_error: expected calibration error
    :param curves: in the order of labels
    :param worst_images: ids, the worst first
    """

    __pydantic_config__ = STRICT

    origin: Origin
    labels: tuple[str, ...]
    iou_threshold: float
    mean_ap: float | None
    mean_ap_75: float | None
    best: PointResult | None
    coco: dict[str, float | None]
    by_class: tuple[ClassResult, ...]
    by_size: tuple[SizeResult, ...]
    errors: tuple[ErrorResult, ...]
    false_positives_ap_lost: float | None
    false_negatives_ap_lost: float | None
    confusion: ConfusionResult
    calibration: tuple[CalibrationBin, ...]
    calibration_error: float | None
    curves: tuple[CurveResult, ...]
    worst_images: tuple[str, ...]
    schema_version: Literal[1] = 1
