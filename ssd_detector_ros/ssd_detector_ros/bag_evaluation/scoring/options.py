"""What an evaluation is asked for, whatever the mode."""

from dataclasses import dataclass
from pathlib import Path

from ssd_detector.postprocess import Thresholds
from ssd_detector_ros.bag_evaluation.scoring.detecting import EVALUATION_THRESHOLDS
from ssd_detector_ros.bag_evaluation.scoring.streaming import FramePolicy


@dataclass(frozen=True)
class Options:
    """
    What to score, and how.

    :param bags: the recordings
    :param image_topic: None where there is only one
    :param ground_truth: topic of what was annotated; None takes one named ground_truth
    :param tolerance_ns: between stamps that belong together
    :param thresholds: of the detector
    :param runtimes_ms: of frames, in turn, for streaming AP; None takes those of this run
    :param frame_policy: of the worker that is simulated
    """

    bags: tuple[Path, ...]
    image_topic: str | None = None
    ground_truth: str | None = None
    tolerance_ns: int = 1_000_000
    thresholds: Thresholds = EVALUATION_THRESHOLDS
    runtimes_ms: tuple[float, ...] | None = None
    frame_policy: FramePolicy = FramePolicy()
