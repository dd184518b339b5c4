"""From the model's raw outputs to Detections: thresholds, class-aware NMS, original pixels."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
import math

import numpy as np
from numpy.typing import NDArray

from ssd_detector.boxes import iou_matrix
from ssd_detector.config import STRICT
from ssd_detector.detections import Detections
from ssd_detector.errors import BackendError, ConfigError
from ssd_detector.regions import Regions, Window

_EVERYWHERE = Regions()


@dataclass(frozen=True)
class Thresholds:
    """
    What decides which boxes are reported; the section `deploy.post_processing`.

    :param score_threshold: in [0, 1]; a box is a candidate when its score reaches it
    :param nms_iou_threshold: in [0, 1]; of two boxes of a class that overlap more, one stays
    :param max_detections: at least 1; the best of an image, counted last
    :param per_class_top_k: at least 1; candidates of a class that enter NMS, the best first
    :param class_thresholds: score threshold of single labels, instead of score_threshold
    :param allowed_classes: the labels that are reported; empty for all
    :raises ConfigError: with a finding for each value out of range
    """

    __pydantic_config__ = STRICT

    score_threshold: float = 0.35
    nms_iou_threshold: float = 0.5
    max_detections: int = 20
    per_class_top_k: int = 100
    class_thresholds: Mapping[str, float] = field(default_factory=dict)
    allowed_classes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        shares = {
            'score_threshold': self.score_threshold,
            'nms_iou_threshold': self.nms_iou_threshold,
            **{f'class_thresholds.{name}': value for name, value in self.class_thresholds.items()},
        }
        counts = {name: getattr(self, name) for name in ('max_detections', 'per_class_top_k')}
        findings = [
            f'{name}: {value} is outside [0.0, 1.0]'
            for name, value in shares.items()
            if not 0 <= value <= 1
        ]
        findings += [
            f'{name}: {value} is not a whole number from 1 on'
            for name, value in counts.items()
            if value < 1 or value != int(value)
        ]
        if findings:
            raise ConfigError(findings)

    def by_class(self, labels: Sequence[str]) -> NDArray[np.float32]:
        """
        List the score threshold of each class; one that is not allowed can't be reached.

        :param labels: C texts
        :return: (C,) float32
        :raises ConfigError: when a label is named that is not there
        """
        named = {
            'class_thresholds': self.class_thresholds,
            'allowed_classes': self.allowed_classes,
        }
        findings = [
            f'{field_name}.{name}: no such label; the model knows {", ".join(labels)}'
            for field_name, names in named.items()
            for name in sorted(set(names) - set(labels))
        ]
        if findings:
            raise ConfigError(findings)
        allowed = frozenset(self.allowed_classes or labels)
        return np.array(
            [
                self.class_thresholds.get(label, self.score_threshold)
                if label in allowed
                else np.inf
                for label in labels
            ],
            np.float32,
        )


def postprocess(
    boxes_normalized_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    *,
    size_wh: tuple[int, int],
    labels: Sequence[str],
    thresholds: Thresholds,
    regions: Regions = _EVERYWHERE,
) -> Detections:
    """
    Select the boxes worth reporting (SSD, arXiv:1512.02325, section 2.2, "Inference").

    Boxes are clipped to the image before NMS, so that what is compared is what is reported; a box
    that lies outside the image altogether is none. One that is to be ignored suppresses nothing.

    :param boxes_normalized_xyxy: (P, 4) float32, decoded, not clipped; shares of the region of
        interest
    :param scores: (P, C + 1) float32, softmax; column 0 is the background
    :param size_wh: of the original image, px
    :param labels: C texts, the names of columns 1..C
    :param regions: where the model looked, and where boxes are ignored
    :return: at most max_detections, by falling score; equal scores in the order of the priors
    :raises BackendError: when the outputs hold NaN or do not fit the labels
    """
    if scores.shape != (len(boxes_normalized_xyxy), len(labels) + 1):
        raise BackendError(
            f'model outputs: boxes {boxes_normalized_xyxy.shape}, scores {scores.shape}; '
            f'expected (P, 4) and (P, {len(labels) + 1}) for {len(labels)} labels'
        )
    # A sum is NaN as soon as one summand is: the cheapest look at every number.
    if math.isnan(float(scores.sum())):
        raise BackendError('model outputs: scores hold NaN; verify the bundle on this device')
    prior_indices, columns = np.nonzero(scores[:, 1:] >= thresholds.by_class(labels))
    candidate_scores = scores[prior_indices, columns + 1]
    boxes_xyxy = _to_pixels(boxes_normalized_xyxy[prior_indices], regions.window(size_wh))
    is_eligible = np.all(boxes_xyxy[:, 2:] > boxes_xyxy[:, :2], axis=1)
    is_eligible &= ~regions.are_ignored(boxes_xyxy, size_wh)
    kept = _select(boxes_xyxy, candidate_scores, columns, is_eligible, thresholds=thresholds)
    class_ids = columns[kept].astype(np.int64) + 1
    return Detections(
        boxes_xyxy=boxes_xyxy[kept],
        scores=candidate_scores[kept],
        class_ids=class_ids,
        labels=[labels[class_id - 1] for class_id in class_ids],
    )


def nms(
    boxes_xyxy: NDArray[np.float32], scores: NDArray[np.float32], *, iou_threshold: float
) -> NDArray[np.int64]:
    """
    Greedily keep the best box and drop those that overlap it by more than the threshold.

    :param boxes_xyxy: (N, 4) float32, px
    :param scores: (N,) float32
    :param iou_threshold: in [0, 1]
    :return: indices of the boxes kept, best first; of equal scores the first comes first
    """
    order = np.argsort(-scores, kind='stable')
    boxes = boxes_xyxy[order]
    suppresses = iou_matrix(boxes, boxes) > iou_threshold
    is_alive = np.ones(len(order), bool)
    kept = []
    for index in range(len(order)):
        if is_alive[index]:
            kept.append(index)
            is_alive &= ~suppresses[index]
    return order[kept]


def _to_pixels(boxes_normalized_xyxy: NDArray[np.float32], window: Window) -> NDArray[np.float32]:
    scale = np.array(window.size_wh * 2, np.float32)
    origin = np.array((window.x1, window.y1) * 2, np.float32)
    return np.clip(boxes_normalized_xyxy, 0, 1) * scale + origin


def _select(
    boxes_xyxy: NDArray[np.float32],
    scores: NDArray[np.float32],
    columns: NDArray[np.int64],
    is_eligible: NDArray[np.bool_],
    *,
    thresholds: Thresholds,
) -> NDArray[np.int64]:
    """Return the indices of the candidates to report, best first."""
    kept = []
    for column in np.unique(columns):
        members = np.flatnonzero((columns == column) & is_eligible)
        best = np.argsort(-scores[members], kind='stable')[: thresholds.per_class_top_k]
        members = members[best]
        survivors = nms(
            boxes_xyxy[members], scores[members], iou_threshold=thresholds.nms_iou_threshold
        )
        kept.append(members[survivors])
    # By prior first: the stable sort below leaves equal scores in that order.
    indices = np.sort(np.concatenate(kept)) if kept else np.zeros(0, np.int64)
    best = np.argsort(-scores[indices], kind='stable')
    return indices[best][: thresholds.max_detections]
