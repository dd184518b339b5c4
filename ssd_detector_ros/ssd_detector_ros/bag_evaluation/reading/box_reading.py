"""Detection2DArray of a recording, of vision_msgs 2 to 4, as arrays."""

from collections.abc import Iterator
from dataclasses import dataclass
import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector_ros.bag_evaluation.reading.decoding import Decoder
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.reading.recordings import Topic


@dataclass(frozen=True, eq=False)
class BoxArray:
    """
    What one message says.

    :param stamp_ns: of its header
    :param frame_id: likewise
    :param time_ns: when it was recorded
    :param boxes_xyxy: (N, 4) float64, px
    :param class_ids: N texts; empty where a detection has no hypothesis
    :param scores: (N,) float64; NaN likewise
    :param headers: stamp in ns and frame_id of each detection
    """

    stamp_ns: int
    frame_id: str
    time_ns: int
    boxes_xyxy: NDArray[np.float64]
    class_ids: tuple[str, ...]
    scores: NDArray[np.float64]
    headers: tuple[tuple[int, str], ...]


def read_box_arrays(recording: Recording, topic: Topic) -> Iterator[BoxArray]:
    """
    Read detections, or ground truth.

    :param recording: where from
    :param topic: of Detection2DArray
    :return: the messages in the order of recording; those that can't be read are left out
    """
    decoder = Decoder(topic)
    for stored in recording.messages({topic.name}):
        message = decoder.read(stored)
        if message is not None:
            yield to_box_array(message, stored.time_ns)


def to_box_array(message: Any, time_ns: int) -> BoxArray:
    """
    Take a message apart.

    :param message: with the fields of Detection2DArray, whoever read it
    :param time_ns: when it came
    :return: its content
    """
    best = [_best(detection.results) for detection in message.detections]
    return BoxArray(
        stamp_ns=stamp_ns(message.header),
        frame_id=message.header.frame_id,
        time_ns=time_ns,
        boxes_xyxy=np.array(
            [_corners(detection.bbox) for detection in message.detections], np.float64
        ).reshape(-1, 4),
        class_ids=tuple(class_id for class_id, _ in best),
        scores=np.array([score for _, score in best], np.float64),
        headers=tuple(
            (stamp_ns(detection.header), detection.header.frame_id)
            for detection in message.detections
        ),
    )


def stamp_ns(header: Any) -> int:
    """
    Read a stamp.

    :param header: std_msgs/Header
    :return: ns
    """
    return int(header.stamp.sec) * 10**9 + int(header.stamp.nanosec)


def _best(results: Any) -> tuple[str, float]:
    """Take the hypothesis of the highest score."""
    found = [_hypothesis(result) for result in results]
    return max(found, key=lambda hypothesis: hypothesis[1], default=('', math.nan))


def _hypothesis(result: Any) -> tuple[str, float]:
    # Before vision_msgs 3 the fields stood in the result itself, and class_id was called id.
    inner = getattr(result, 'hypothesis', result)
    class_id = inner.class_id if hasattr(inner, 'class_id') else inner.id
    return str(class_id), float(inner.score)


def _corners(bbox: Any) -> tuple[float, float, float, float]:
    # Before vision_msgs 4 the center was a Pose2D with x and y of its own.
    center = getattr(bbox.center, 'position', bbox.center)
    x, y, width, height = center.x, center.y, bbox.size_x, bbox.size_y
    return x - width / 2, y - height / 2, x + width / 2, y + height / 2
