"""Two detectors on the same recordings: agreement, steadiness, latency, and mAP with labels."""

from dataclasses import asdict, dataclass
from typing import Any

from ssd_detector import Detections
from ssd_detector.errors import EvaluationError
from ssd_detector.report.comparison import (
    compare_results,
    format_comparison,
    ResultComparison,
    Side,
    to_tree,
)
from ssd_detector_ros.bag_evaluation.comparing.agreement import (
    Agreement,
    compare_frame,
    compare_latency,
    FrameAgreement,
    keep_scores,
    LatencyDifference,
    sum_up,
)
from ssd_detector_ros.bag_evaluation.comparing.comparison_sides import BagSide
from ssd_detector_ros.bag_evaluation.comparing.tracking import measure_steadiness, Steadiness
from ssd_detector_ros.bag_evaluation.errors import BagError


@dataclass(frozen=True, eq=False)
class BagComparison:
    """
    B against A.

    :param first: A
    :param second: B
    :param frames: one by one
    :param agreement: over all frames
    :param steadiness: of A and of B
    :param latency: None where not both were timed
    :param labelled: None where not both were scored
    :param note: why they were not compared although both were scored; empty else
    :param score_threshold: detections below it took no part, but in the labelled figures
    :param flicker_frames: see measure_steadiness
    """

    first: BagSide
    second: BagSide
    frames: tuple[FrameAgreement, ...]
    agreement: Agreement
    steadiness: tuple[Steadiness, Steadiness]
    latency: LatencyDifference | None
    labelled: ResultComparison | None
    note: str
    score_threshold: float
    flicker_frames: int

    def worst_frames(self, count: int) -> list[FrameAgreement]:
        """Give the frames with most boxes that only one has."""
        different = [frame for frame in self.frames if frame.num_different]
        return sorted(different, key=lambda frame: -frame.num_different)[:count]


def compare_sides(
    first: BagSide, second: BagSide, *, score_threshold: float, flicker_frames: int
) -> BagComparison:
    """
    Compare.

    :param first: A
    :param second: B
    :param score_threshold: of the detections that are compared
    :param flicker_frames: see measure_steadiness
    :return: see BagComparison
    :raises BagError: when they have no frame in common
    """
    others = set(second.image_ids)
    names = [name for name in first.image_ids if name in others]
    if not names:
        raise BagError(
            [
                f'{first.name} and {second.name} have no frame in common; compare results of one '
                f'recording'
            ]
        )

    def pick(side: BagSide, name: str) -> Detections:
        return keep_scores(side.detections.get(name, Detections.empty()), score_threshold)

    frames = tuple(compare_frame(name, pick(first, name), pick(second, name)) for name in names)
    labelled, note = _compare_labelled(first, second)
    return BagComparison(
        first,
        second,
        frames,
        sum_up(frames),
        (
            measure_steadiness([frame.first for frame in frames], flicker_frames=flicker_frames),
            measure_steadiness([frame.second for frame in frames], flicker_frames=flicker_frames),
        ),
        compare_latency(first.frame_ms, second.frame_ms),
        labelled,
        note,
        score_threshold,
        flicker_frames,
    )


def _compare_labelled(first: BagSide, second: BagSide) -> tuple[ResultComparison | None, str]:
    if not (first.result and second.result and first.matching and second.matching):
        return None, ''
    sides = (
        Side(first.name, first.result, first.matching),
        Side(second.name, second.result, second.matching),
    )
    try:
        return compare_results(*sides), ''
    except EvaluationError as error:
        return None, f'no comparison of mAP: {"; ".join(error.findings)}'


def comparison_tree(comparison: BagComparison) -> dict[str, Any]:
    """
    Give a comparison as plain values.

    :param comparison: from compare_sides
    :return: shares, not percent
    """
    first, second = comparison.steadiness
    return {
        'schema_version': 1,
        'mode': 'compare',
        'first': comparison.first.name,
        'second': comparison.second.name,
        'frames': len(comparison.frames),
        'score_threshold': comparison.score_threshold,
        'flicker_frames': comparison.flicker_frames,
        'agreement': asdict(comparison.agreement),
        'steadiness': {'first': asdict(first), 'second': asdict(second)},
        'latency_ms': asdict(comparison.latency) if comparison.latency else None,
        'worst_frames': [
            {'image_id': frame.image_id, 'different_boxes': frame.num_different}
            for frame in comparison.worst_frames(12)
        ],
        'note': comparison.note,
        'labelled': to_tree(comparison.labelled) if comparison.labelled else None,
    }


def format_bag_comparison(comparison: BagComparison) -> str:
    """
    Write a comparison for a terminal.

    :param comparison: from compare_sides
    :return: lines
    """
    agreement = comparison.agreement
    lines = [f'A  {comparison.first.name}', f'B  {comparison.second.name}', '']
    lines.append(
        f'{len(comparison.frames)} frames, boxes from score {comparison.score_threshold:g}: '
        f'agreement {100 * agreement.f1:.1f} % (F1 at IoU 0.5), {agreement.num_common} boxes in '
        f'common, {agreement.num_only_first} only in A, {agreement.num_only_second} only in B'
    )
    lines += ['', f'{"":<34}{"A":>9}{"B":>9}']
    names = {
        'num_objects': 'objects followed',
        'num_flickers': f'vanished for less than {comparison.flicker_frames} frames',
        'num_new': 'new after the first frame',
        'num_lost': 'lost before the last frames',
    }
    for name, text in names.items():
        first, second = (getattr(steadiness, name) for steadiness in comparison.steadiness)
        lines.append(f'{text:<34}{first:>9}{second:>9}')
    if (latency := comparison.latency) is not None:
        lines += [
            '',
            f'latency, B - A: {latency.mean_ms:+.2f} ms a frame, 95 % interval '
            f'{latency.low_ms:+.2f} to {latency.high_ms:+.2f}, {latency.num_frames} frames',
        ]
    if comparison.labelled is not None:
        lines += ['', format_comparison(comparison.labelled)]
    if comparison.note:
        lines += ['', comparison.note]
    return '\n'.join(lines)
