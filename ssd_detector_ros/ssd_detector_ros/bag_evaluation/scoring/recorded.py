"""Detections that somebody published and a recorder kept, matched to their frames by stamp."""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from ssd_detector import Detections
from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray
from ssd_detector_ros.bag_evaluation.scoring.association import associate
from ssd_detector_ros.bag_evaluation.scoring.detecting import FrameInfo, Sequence
from ssd_detector_ros.bag_evaluation.scoring.labels import ClassReader


@dataclass(eq=False)
class Answers:
    """
    How the frames of a recording were answered.

    :param arrivals_ns: position of a frame -> when its answer was recorded
    :param num_unmatched: answers to no frame
    :param counts: what was left out or mended, with its number
    :param answer_ms: position of a frame -> from image to answer, where that was measured better
        than by times of recording
    """

    arrivals_ns: dict[int, int] = field(default_factory=dict)
    num_unmatched: int = 0
    counts: Counter[str] = field(default_factory=Counter)
    answer_ms: dict[int, float] = field(default_factory=dict)


def take_answers(
    sequence: Sequence, arrays: list[BoxArray], classes: ClassReader, *, tolerance_ns: int
) -> Answers:
    """
    Give each frame the answer that bears its stamp.

    :param sequence: its detections are filled
    :param arrays: in the order of recording
    :param classes: what class_id means
    :param tolerance_ns: between the stamps of a frame and its answer
    :return: see Answers
    """
    frames = sequence.frames
    pairs = associate(
        [frame.stamp_ns for frame in frames],
        [array.stamp_ns for array in arrays],
        tolerance_ns=tolerance_ns,
    )
    answers = Answers(num_unmatched=len(pairs.second_alone))
    for frame, index in pairs.pairs:
        answers.arrivals_ns[frame] = arrays[index].time_ns
        sequence.detections[frames[frame].image_id] = to_detections(
            arrays[index], frames[frame], classes, answers.counts
        )
    return answers


def to_detections(
    array: BoxArray, frame: FrameInfo, classes: ClassReader, counts: Counter[str]
) -> Detections:
    """
    Take what can be scored.

    :param array: what was published
    :param frame: that it answers
    :param classes: what class_id means
    :param counts: is added to: what was left out or mended
    :return: by falling score, inside the image
    """
    limits = np.tile(np.array(frame.size_wh, np.float64), 2)
    rows = []
    for box, text, score in zip(array.boxes_xyxy, array.class_ids, array.scores, strict=True):
        if not text:
            counts['detections without a class, left out'] += 1
            continue
        class_id = classes.read(text)
        if class_id is None:
            counts['detections of classes that are not scored, left out'] += 1
            continue
        if not 0 <= score <= 1:
            counts['detections with a score outside [0, 1], left out'] += 1
            continue
        clipped = np.clip(box, 0, limits)
        if not np.all(np.isfinite(box)) or np.any(clipped[2:] <= clipped[:2]):
            counts['boxes that are empty, not finite or outside the image, left out'] += 1
            continue
        # Rounding of a publisher is no fault.
        counts['boxes that leave the image, clipped'] += bool(np.abs(clipped - box).max() > 1)
        rows.append((float(score), class_id, clipped))
    rows.sort(key=lambda row: -row[0])
    return Detections(
        np.array([box for _, _, box in rows], np.float32).reshape(-1, 4),
        np.array([score for score, _, _ in rows], np.float32),
        np.array([class_id for _, class_id, _ in rows], np.int64),
        [classes.labels[class_id - 1] for _, class_id, _ in rows],
    )
