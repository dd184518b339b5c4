"""How far two detectors agree, without any ground truth."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections
from ssd_detector.boxes import iou_matrix

_MIN_IOU = 0.5


@dataclass(frozen=True, eq=False)
class FrameAgreement:
    """
    Two detectors on one frame.

    :param image_id: the frame
    :param first: detections of A
    :param second: of B
    :param is_common: (N,) bool, which of A's B has, too
    :param is_common_second: (M,) bool, which of B's A has, too
    """

    image_id: str
    first: Detections
    second: Detections
    is_common: NDArray[np.bool_]
    is_common_second: NDArray[np.bool_]

    @property
    def num_different(self) -> int:
        """Boxes that only one has."""
        return int(np.sum(~self.is_common) + np.sum(~self.is_common_second))


@dataclass(frozen=True)
class Agreement:
    """
    Two detectors on many frames.

    :param f1: of one against the other at IoU 0.5; 1 where neither found anything
    :param num_common: boxes that both have
    :param num_only_first: boxes that only A has
    :param num_only_second: that only B has
    :param by_label: label -> the three counts
    """

    f1: float
    num_common: int
    num_only_first: int
    num_only_second: int
    by_label: dict[str, tuple[int, int, int]]


@dataclass(frozen=True)
class LatencyDifference:
    """
    B's time less A's, frame by frame.

    :param num_frames: that both were timed on
    :param mean_ms: of the differences
    :param low_ms: of the 95 % interval of the mean, by resampling frames
    :param high_ms: likewise
    """

    num_frames: int
    mean_ms: float
    low_ms: float
    high_ms: float


def keep_scores(found: Detections, score_threshold: float) -> Detections:
    """
    Leave out what is below a threshold.

    :param found: of a frame
    :param score_threshold: the lowest that stays
    :return: the others
    """
    mask = found.scores >= score_threshold
    labels = [label for label, keep in zip(found.labels, mask, strict=True) if keep]
    return Detections(found.boxes_xyxy[mask], found.scores[mask], found.class_ids[mask], labels)


def compare_frame(image_id: str, first: Detections, second: Detections) -> FrameAgreement:
    """
    Pair boxes of one label, those that overlap most first.

    :param image_id: the frame
    :param first: of A
    :param second: of B
    :return: see FrameAgreement
    """
    common = np.zeros(len(first), bool)
    common_second = np.zeros(len(second), bool)
    if len(first) and len(second):
        overlaps = iou_matrix(first.boxes_xyxy, second.boxes_xyxy)
        same = np.array(first.labels)[:, None] == np.array(second.labels)[None]
        overlaps = np.where(same, overlaps, 0)
        while overlaps.max() >= _MIN_IOU:
            row, column = np.unravel_index(int(overlaps.argmax()), overlaps.shape)
            common[row] = common_second[column] = True
            overlaps[row], overlaps[:, column] = 0, 0
    return FrameAgreement(image_id, first, second, common, common_second)


def sum_up(frames: Sequence[FrameAgreement]) -> Agreement:
    """
    Count over all frames.

    :param frames: compared
    :return: see Agreement
    """
    by_label: dict[str, list[int]] = {}
    for frame in frames:
        for label, is_common in zip(frame.first.labels, frame.is_common, strict=True):
            by_label.setdefault(label, [0, 0, 0])[0 if is_common else 1] += 1
        for label, is_common in zip(frame.second.labels, frame.is_common_second, strict=True):
            by_label.setdefault(label, [0, 0, 0])[2] += not is_common
    common, only_first, only_second = (
        sum(counts[column] for counts in by_label.values()) for column in range(3)
    )
    total = 2 * common + only_first + only_second
    return Agreement(
        f1=2 * common / total if total else 1.0,
        num_common=common,
        num_only_first=only_first,
        num_only_second=only_second,
        by_label={label: (a, b, c) for label, (a, b, c) in sorted(by_label.items())},
    )


def compare_latency(
    first_ms: Mapping[str, float],
    second_ms: Mapping[str, float],
    *,
    num_resamples: int = 1000,
    seed: int = 0,
) -> LatencyDifference | None:
    """
    Compare times on the same frames (paired bootstrap, percentiles).

    :param first_ms: image id -> time of A
    :param second_ms: of B
    :param num_resamples: how often frames are drawn
    :param seed: of the drawing
    :return: None without a frame that both were timed on
    """
    names = [name for name in first_ms if name in second_ms]
    if not names:
        return None
    differences = np.array([second_ms[name] - first_ms[name] for name in names])
    rng = np.random.default_rng(seed)
    drawn = rng.integers(len(names), size=(num_resamples, len(names)))
    low, high = np.quantile(differences[drawn].mean(axis=1), [0.025, 0.975]).tolist()
    return LatencyDifference(len(names), float(differences.mean()), low, high)
