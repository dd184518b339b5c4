"""
Streaming AP: what a consumer gets who looks at the world now (arXiv:2005.10420, section 3).

At the time of a frame the latest output that has arrived by then is what counts. A frame's own
output never counts for itself: it has not arrived yet.
"""

from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections
from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector.evaluation.voc import evaluate_voc
from ssd_detector_ros.parameters.static_settings import (
    DropPolicy,
    MAX_AGE_MS,
    StaticSettings,
)

NONE = -1


@dataclass(frozen=True)
class FramePolicy:
    """
    Which frames the node takes while they come faster than it detects; its own defaults.

    :param drop_policy: newest, max_age or keep_all, see docs/node.md
    :param queue_size: frames that may wait, but for newest
    :param max_age_ms: of a frame at its turn, with max_age
    """

    drop_policy: DropPolicy = StaticSettings.drop_policy
    queue_size: int = StaticSettings.queue_size
    max_age_ms: float = MAX_AGE_MS

    @property
    def capacity(self) -> int:
        """Frames that may wait."""
        return StaticSettings(drop_policy=self.drop_policy, queue_size=self.queue_size).capacity

    def __str__(self) -> str:
        details = {
            'newest': '',
            'max_age': f' of {self.max_age_ms:g} ms, queue size {self.queue_size}',
            'keep_all': f', queue size {self.queue_size}',
        }
        return f'drop policy {self.drop_policy}{details[self.drop_policy]}'


@dataclass(frozen=True)
class Output:
    """
    An answer of the detector.

    :param source: position of its frame
    :param arrival_ns: when it was there, by the clock of the stamps
    """

    source: int
    arrival_ns: int


@dataclass(frozen=True)
class StreamingScore:
    """
    Streaming AP, and where it comes from; None where there is nothing to measure.

    :param ap: of each frame with its own output, however late
    :param sap: of each frame with the latest output of another that had arrived
    :param num_frames: scored
    :param num_misses: frames for which nothing had arrived yet
    :param predecessor_share: of the frames, those that were paired with the frame before
    :param mean_lag_frames: from the frame back to the one that the output is of
    """

    ap: float | None
    sap: float | None
    num_frames: int
    num_misses: int
    predecessor_share: float | None
    mean_lag_frames: float | None

    @property
    def ratio(self) -> float | None:
        """The share of the AP that is left."""
        return self.sap / self.ap if self.ap and self.sap is not None else None


def pair_outputs(stamps_ns: Sequence[int], outputs: Sequence[Output]) -> NDArray[np.int64]:
    """
    Find what has arrived at the time of each frame.

    :param stamps_ns: of F frames, rising
    :param outputs: in any order
    :return: (F,) int64, position of the frame whose output counts; -1 where there is none yet
    """
    # Of outputs that arrive at once, the one of the newest frame counts.
    ordered = sorted(outputs, key=lambda output: (output.arrival_ns, output.source))
    arrivals = np.array([output.arrival_ns for output in ordered], np.int64)
    ends = np.searchsorted(arrivals, np.array(stamps_ns, np.int64), side='right')
    paired = np.full(len(stamps_ns), NONE, np.int64)
    for frame, end in enumerate(ends.tolist()):
        while end and ordered[end - 1].source == frame:
            end -= 1
        if end:
            paired[frame] = ordered[end - 1].source
    return paired


def simulate(
    stamps_ns: Sequence[int], runtime_ms: Callable[[int], float], policy: FramePolicy
) -> list[Output]:
    """
    Run one worker over frames that come at their stamps.

    :param stamps_ns: rising
    :param runtime_ms: position of a frame -> how long it takes
    :param policy: which of those that wait it takes
    :return: an output for each frame that was taken
    """
    outputs: list[Output] = []
    # The oldest has to go for one that finds the queue full.
    waiting: deque[int] = deque(maxlen=policy.capacity)
    free_ns, num_come = stamps_ns[0] if stamps_ns else 0, 0
    while waiting or num_come < len(stamps_ns):
        if not waiting:
            free_ns = max(free_ns, stamps_ns[num_come])
        while num_come < len(stamps_ns) and stamps_ns[num_come] <= free_ns:
            waiting.append(num_come)
            num_come += 1
        frame = waiting.popleft()
        age_ms = (free_ns - stamps_ns[frame]) / 1e6
        if policy.drop_policy == 'max_age' and age_ms > policy.max_age_ms:
            continue
        free_ns += round(runtime_ms(frame) * 1e6)
        outputs.append(Output(frame, free_ns))
    return outputs


def score_streaming(
    image_ids: Sequence[str],
    paired: NDArray[np.int64],
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    *,
    labels: Sequence[str],
) -> StreamingScore:
    """
    Score each annotated frame with the output that counted at its time.

    :param image_ids: of all frames of all recordings, in order
    :param paired: from pair_outputs, of the same frames
    :param detections: image id -> what was found in it
    :param ground_truths: image id -> objects; frames that are not there are not scored
    :param labels: names of the classes 1, 2, ...
    :return: see StreamingScore
    """
    scored = [index for index, image_id in enumerate(image_ids) if image_id in ground_truths]
    truths = {image_ids[index]: ground_truths[image_ids[index]] for index in scored}
    own = {name: detections.get(name, Detections.empty()) for name in truths}
    late = {
        image_ids[index]: detections.get(image_ids[paired[index]], Detections.empty())
        if paired[index] != NONE
        else Detections.empty()
        for index in scored
    }
    lags = [index - int(paired[index]) for index in scored if paired[index] != NONE]
    return StreamingScore(
        ap=_mean_ap(own, truths, labels),
        sap=_mean_ap(late, truths, labels),
        num_frames=len(scored),
        num_misses=len(scored) - len(lags),
        predecessor_share=lags.count(1) / len(scored) if scored else None,
        mean_lag_frames=float(np.mean(lags)) if lags else None,
    )


def _mean_ap(
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    labels: Sequence[str],
) -> float | None:
    mean_ap = evaluate_voc(detections, ground_truths, labels=labels).mean_ap
    return None if np.isnan(mean_ap) else mean_ap
