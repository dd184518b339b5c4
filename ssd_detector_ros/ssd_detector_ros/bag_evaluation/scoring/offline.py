"""Mode offline: every frame through the core, scored; the same bytes again and again."""

from collections.abc import Callable
import time

from ssd_detector import Detector
from ssd_detector_ros.bag_evaluation.commands import OnFrame
from ssd_detector_ros.bag_evaluation.scoring.detecting import detect_frames, Sequence, STAGES
from ssd_detector_ros.bag_evaluation.scoring.latency import summarize
from ssd_detector_ros.bag_evaluation.scoring.opening import (
    add_truths,
    finish_counts,
    open_recordings,
)
from ssd_detector_ros.bag_evaluation.scoring.options import Options
from ssd_detector_ros.bag_evaluation.scoring.scoring import (
    Evaluation,
    require_coco,
    score_accuracy,
    score_lateness,
)
from ssd_detector_ros.bag_evaluation.scoring.streaming import pair_outputs, simulate


def evaluate_offline(
    options: Options,
    make_detector: Callable[[], Detector],
    *,
    on_frame: OnFrame = lambda done, total: None,
) -> Evaluation:
    """
    Detect in every frame of the recordings, and score what has ground truth.

    :param options: what to score
    :param make_detector: loads the model; called when the recordings are known to be good
    :param on_frame: told the frames done and those in all
    :return: what was found
    :raises BagError: when a recording can't be used
    """
    start_s = time.monotonic()
    opened = open_recordings(options)
    if any(bag.truth for bag in opened):
        require_coco()
    detector = make_detector()
    evaluation = Evaluation(
        mode='offline',
        source=describe_detector(detector),
        settings=describe_settings(options),
        sequences=[],
        labels=detector.labels,
    )
    done, total = 0, sum(bag.num_images for bag in opened)
    for bag in opened:
        sequence = detect_frames(
            bag.name,
            bag.reader,
            detector,
            options.thresholds,
            on_frame=lambda count, before=done: on_frame(before + count, total),  # type: ignore[misc]
        )
        done += len(sequence.frames)
        evaluation.sequences.append(sequence)
    finish_counts(evaluation, opened)
    add_truths(evaluation, opened, options)
    evaluation.stage_ms = {
        stage: found
        for stage in STAGES
        if (found := summarize([t for s in evaluation.sequences for t in s.stage_ms[stage]]))
    }
    if evaluation.ground_truths:
        score_accuracy(evaluation)
        add_simulated_lateness(evaluation, options)
    evaluation.wall_s = time.monotonic() - start_s
    return evaluation


def add_simulated_lateness(evaluation: Evaluation, options: Options) -> None:
    """
    Simulate when answers would have arrived, and score that.

    :param evaluation: with times of each frame; its streaming score is filled
    :param options: whose runtimes count, if given
    """
    given = options.runtimes_ms
    paired = []
    for sequence in evaluation.sequences:
        runtimes_ms = given or measured_ms(sequence)
        stamps_ns = [frame.stamp_ns for frame in sequence.frames]
        outputs = simulate(
            stamps_ns,
            lambda frame, times=runtimes_ms: times[frame % len(times)],  # type: ignore[misc]
            options.frame_policy,
        )
        paired.append(pair_outputs(stamps_ns, outputs))
    evaluation.is_streaming_timed = given is None
    evaluation.streaming_of = (
        f'runtimes of this run, {options.frame_policy}'
        if given is None
        else f'{len(given)} given runtimes of {sum(given) / len(given):.2f} ms in the mean, '
        f'{options.frame_policy}'
    )
    score_lateness(evaluation, paired)


def measured_ms(sequence: Sequence) -> tuple[float, ...]:
    """
    Add up the stages.

    :param sequence: with times
    :return: of each frame, from the decoding to the boxes
    """
    return tuple(sum(times) for times in zip(*sequence.stage_ms.values(), strict=True))


def describe_detector(detector: Detector) -> dict[str, str]:
    """
    Say what detects.

    :param detector: loaded
    :return: for a result
    """
    bundle = detector.bundle
    return {
        'title': bundle.path.name,
        'bundle': str(bundle.path),
        'backend': type(detector.backend).__name__,
    }


def describe_settings(options: Options) -> dict[str, float | int | str]:
    """
    Say how it is scored.

    :param options: of the command
    :return: for a result
    """
    return {
        'iou_threshold': 0.5,
        'interpolation': '11point',
        'nms.score_threshold': options.thresholds.score_threshold,
        'nms.iou_threshold': options.thresholds.nms_iou_threshold,
        'nms.max_detections_per_image': options.thresholds.max_detections,
        'nms.per_class_top_k': options.thresholds.per_class_top_k,
        'stamp_tolerance_ms': options.tolerance_ns / 1e6,
    }
