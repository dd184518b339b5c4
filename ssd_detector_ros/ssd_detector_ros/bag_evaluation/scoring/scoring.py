"""From frames, detections and ground truth to figures: the core's evaluator does the counting."""

from collections.abc import Mapping
from collections.abc import Sequence as Series
from dataclasses import dataclass, field
import hashlib
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
import platform

import numpy as np

from ssd_detector import Detections
from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.analysis import analyse, Analysis
from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector.evaluation.voc import evaluate_voc
from ssd_detector.report.description import describe
from ssd_detector.report.result import DataResult, Origin, Result
from ssd_detector_ros.bag_evaluation.scoring.detecting import FrameInfo, Sequence
from ssd_detector_ros.bag_evaluation.scoring.latency import Latency
from ssd_detector_ros.bag_evaluation.scoring.streaming import NONE, score_streaming, StreamingScore

_LIBRARIES = ('ssd_detector', 'numpy', 'opencv-python-headless', 'onnxruntime', 'rosbags')


@dataclass(eq=False)
class Evaluation:
    """
    Everything that was found out about a detector on recordings.

    :param mode: offline, replay or score
    :param source: what was scored: name -> value
    :param settings: how
    :param sequences: one a recording
    :param labels: names of the classes 1, 2, ...
    :param ground_truths: image id -> objects
    :param counts: what was left out or found alone, with its number
    :param notes: what is odd, one sentence each
    :param analysis: of all annotated frames; None without ground truth
    :param result: the same, as plain values
    :param map_answered: mAP of the annotated frames that were answered
    :param streaming: None where nothing was timed
    :param streaming_of: what the times of the streaming score are
    :param is_streaming_timed: whether they were measured in this run, so that the next differs
    :param stage_ms: stage -> times of this run
    :param answer_times_ms: from image to answer, of each answered frame, by stamp
    :param answer_ms: times from image to answer, where somebody else answered; else None
    :param age_ms: likewise, against the stamp
    :param replay: figures of the replay; empty in other modes
    :param wall_s: of the whole run
    """

    mode: str
    source: dict[str, str]
    settings: dict[str, float | int | str]
    sequences: list[Sequence]
    labels: tuple[str, ...]
    ground_truths: dict[str, GroundTruths] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    analysis: Analysis | None = None
    result: Result | None = None
    map_answered: float | None = None
    streaming: StreamingScore | None = None
    streaming_of: str = ''
    is_streaming_timed: bool = False
    stage_ms: dict[str, Latency] = field(default_factory=dict)
    answer_times_ms: list[float] = field(default_factory=list)
    answer_ms: Latency | None = None
    age_ms: Latency | None = None
    replay: dict[str, object] = field(default_factory=dict)
    wall_s: float = 0.0

    @property
    def frames(self) -> list[FrameInfo]:
        """All frames of all recordings."""
        return [frame for sequence in self.sequences for frame in sequence.frames]

    @property
    def detections(self) -> dict[str, Detections]:
        """Image id -> what was found in it."""
        found: dict[str, Detections] = {}
        for sequence in self.sequences:
            found |= sequence.detections
        return found

    @property
    def frame_ms(self) -> dict[str, float]:
        """Image id -> from image to answer; in mode offline, from decoding to boxes."""
        answered = [frame.image_id for frame in self.frames if frame.image_id in self.detections]
        times_ms = self.answer_times_ms or [
            sum(stages)
            for sequence in self.sequences
            for stages in zip(*sequence.stage_ms.values(), strict=True)
        ]
        return dict(zip(answered, times_ms, strict=True)) if times_ms else {}

    @property
    def mean_ap(self) -> float | None:
        """The mAP over all annotated frames; None without ground truth."""
        return self.result.mean_ap if self.result else None


def require_coco() -> None:
    """
    Refuse to begin what can't be finished: COCO's figures come from a library.

    :raises EvaluationError: when it is not installed
    """
    if find_spec('faster_coco_eval') is None:
        raise EvaluationError(
            ['scoring needs faster-coco-eval; pip install "faster-coco-eval>=1.6"']
        )


def score_accuracy(evaluation: Evaluation, *, num_worst_images: int = 12) -> None:
    """
    Score the detections of the annotated frames, in the order of their stamps.

    :param evaluation: its analysis and result are filled
    :param num_worst_images: at most
    :raises EvaluationError: with everything that can't be scored
    """
    truths = {
        frame.image_id: evaluation.ground_truths[frame.image_id]
        for frame in evaluation.frames
        if frame.image_id in evaluation.ground_truths
    }
    found = {
        name: detections for name, detections in evaluation.detections.items() if name in truths
    }
    sizes_wh = {frame.image_id: frame.size_wh for frame in evaluation.frames}
    evaluation.ground_truths = truths
    evaluation.analysis = analyse(
        found,
        truths,
        labels=evaluation.labels,
        sizes_wh=sizes_wh,
        num_worst_images=num_worst_images,
    )
    evaluation.result = describe(evaluation.analysis, _origin(evaluation, sizes_wh))
    answered = {name: truths[name] for name in truths if name in found}
    if answered and any(np.any(~truth.is_difficult) for truth in answered.values()):
        mean_ap = evaluate_voc(found, answered, labels=evaluation.labels).mean_ap
        evaluation.map_answered = None if np.isnan(mean_ap) else mean_ap


def score_lateness(
    evaluation: Evaluation, paired_by_sequence: Series[np.ndarray[tuple[int], np.dtype[np.int64]]]
) -> None:
    """
    Score what had arrived at the time of each frame.

    :param evaluation: its streaming score is filled
    :param paired_by_sequence: from pair_outputs, of each recording
    """
    offset, paired = 0, []
    for sequence, own in zip(evaluation.sequences, paired_by_sequence, strict=True):
        paired.append(np.where(own == NONE, NONE, own + offset))
        offset += len(sequence.frames)
    evaluation.streaming = score_streaming(
        [frame.image_id for frame in evaluation.frames],
        np.concatenate(paired) if paired else np.zeros(0, np.int64),
        evaluation.detections,
        evaluation.ground_truths,
        labels=evaluation.labels,
    )


def list_versions() -> dict[str, str]:
    """
    List what the figures were computed with.

    :return: library -> version
    """
    versions = {'python': platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = version(name)
        except PackageNotFoundError:
            continue
    return versions


def _origin(evaluation: Evaluation, sizes_wh: Mapping[str, tuple[int, int]]) -> Origin:
    truths = evaluation.ground_truths
    num_difficult = sum(int(truth.is_difficult.sum()) for truth in truths.values())
    num_objects = sum(len(truth.class_ids) for truth in truths.values())
    return Origin(
        title=evaluation.source.get('title', evaluation.mode),
        created_at='',
        source={name: text for name, text in evaluation.source.items() if name != 'title'},
        data=DataResult(
            name=', '.join(sequence.name for sequence in evaluation.sequences),
            num_images=len(truths),
            num_objects=num_objects - num_difficult,
            num_difficult=num_difficult,
            sha256=_hash(truths, sizes_wh),
        ),
        settings=evaluation.settings,
        versions=list_versions(),
        speed_ms={},
        wall_s=0.0,
    )


def _hash(truths: Mapping[str, GroundTruths], sizes_wh: Mapping[str, tuple[int, int]]) -> str:
    """Tell ground truths apart: ids, sizes and objects."""
    digest = hashlib.sha256()
    for image_id, truth in truths.items():
        digest.update(f'{image_id} {sizes_wh[image_id]}'.encode())
        digest.update(truth.boxes_xyxy.tobytes() + truth.class_ids.tobytes())
        digest.update(truth.is_difficult.tobytes())
    return digest.hexdigest()
