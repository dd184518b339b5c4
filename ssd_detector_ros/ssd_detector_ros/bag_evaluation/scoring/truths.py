"""Ground truth of a recording, matched to its frames by stamp."""

from collections.abc import Sequence as Series
from dataclasses import dataclass

import numpy as np

from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray, read_box_arrays
from ssd_detector_ros.bag_evaluation.reading.decoding import Decoder
from ssd_detector_ros.bag_evaluation.reading.naming import DIFFICULT_SUFFIX, find_label_info
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.reading.recordings import Topic
from ssd_detector_ros.bag_evaluation.scoring.association import associate
from ssd_detector_ros.bag_evaluation.scoring.detecting import FrameInfo
from ssd_detector_ros.bag_evaluation.scoring.labels import ClassReader


@dataclass(frozen=True, eq=False)
class Truths:
    """
    What was annotated.

    :param ground_truths: image id -> objects; only frames that were annotated
    :param num_unmatched_frames: frames without ground truth
    :param num_unmatched_truths: messages of ground truth without a frame
    :param num_other_classes: objects of classes that are not scored, left out
    :param other_classes: their names
    """

    ground_truths: dict[str, GroundTruths]
    num_unmatched_frames: int
    num_unmatched_truths: int
    num_other_classes: int
    other_classes: tuple[str, ...]


def read_label_names(recording: Recording, topic: Topic) -> dict[str, str]:
    """
    Read what the numbers in class_id mean, by the LabelInfo that was recorded beside.

    :param recording: where from
    :param topic: of detections
    :return: number as text -> label; empty without a LabelInfo
    """
    label_info = find_label_info(topic, recording.topics)
    if label_info is None:
        return {}
    decoder = Decoder(label_info)
    names: dict[str, str] = {}
    for stored in recording.messages({label_info.name}):
        message = decoder.read(stored)
        if message is not None:
            names |= {str(entry.class_id): str(entry.class_name) for entry in message.class_map}
    return names


def read_truths(
    recording: Recording,
    topic: Topic,
    frames: Series[FrameInfo],
    *,
    labels: Series[str],
    tolerance_ns: int,
) -> Truths:
    """
    Read the ground truth of frames.

    :param recording: where from
    :param topic: of the objects; those of the topic `.../difficult` are neither hit nor miss
    :param frames: of the images
    :param labels: names of the classes 1, 2, ...
    :param tolerance_ns: between the stamps of a frame and its ground truth
    :return: see Truths
    :raises BagError: when no object is of a class that is scored
    """
    classes = ClassReader(labels, read_label_names(recording, topic))
    arrays = list(read_box_arrays(recording, topic))
    stamps_ns = [frame.stamp_ns for frame in frames]
    pairs = associate(stamps_ns, [array.stamp_ns for array in arrays], tolerance_ns=tolerance_ns)
    difficult = _read_difficult(recording, topic)
    ground_truths = {
        frames[frame].image_id: _to_ground_truths(
            arrays[index], difficult.get(arrays[index].stamp_ns), classes
        )
        for frame, index in pairs.pairs
    }
    num_known = sum(len(truth.class_ids) for truth in ground_truths.values())
    if classes.unknown and not num_known:
        raise BagError(
            [
                f'{topic.name}: none of its classes ({", ".join(sorted(classes.unknown)[:8])}) is '
                f'one of those that are scored ({", ".join(labels)}); name them: --labels, or '
                f'choose another bundle'
            ]
        )
    return Truths(
        ground_truths,
        len(pairs.first_alone),
        len(pairs.second_alone),
        classes.unknown.total(),
        tuple(sorted(classes.unknown)),
    )


def _read_difficult(recording: Recording, topic: Topic) -> dict[int, BoxArray]:
    beside = recording.topics.get(topic.name + DIFFICULT_SUFFIX)
    if beside is None:
        return {}
    return {array.stamp_ns: array for array in read_box_arrays(recording, beside)}


def _to_ground_truths(
    array: BoxArray, difficult: BoxArray | None, classes: ClassReader
) -> GroundTruths:
    parts = [(array, False), *([(difficult, True)] if difficult else [])]
    boxes, class_ids, flags = [], [], []
    for part, is_difficult in parts:
        for box, text in zip(part.boxes_xyxy, part.class_ids, strict=True):
            class_id = classes.read(text)
            if class_id is not None:
                boxes.append(box)
                class_ids.append(class_id)
                flags.append(is_difficult)
    return GroundTruths(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.array(class_ids, np.int64),
        np.array(flags, bool),
    )
