"""
The core's results as ROS messages.

Values are converted with float(), int() and str() at this border: since Jazzy the setters do not
check types, and a NumPy scalar in a float64 field arrives as garbage.
"""

import array
from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import (
    Detection2D,
    Detection2DArray,
    LabelInfo,
    ObjectHypothesisWithPose,
    VisionClass,
)

from ssd_detector import Detections
from ssd_detector_ros.timing.statistics import PERCENTILES, Percentiles, Report
from ssd_msgs.msg import DetectorStatistics

ClassIdFormat = Literal['label', 'index']
CLASS_ID_FORMATS: tuple[ClassIdFormat, ...] = ('label', 'index')


def to_detection_array(
    detections: Detections, header: Header, class_id_format: ClassIdFormat
) -> Detection2DArray:
    """
    Build the message of one frame; with no detections it is empty, but it is a message.

    :param detections: in pixels of the source image
    :param header: of the source image; goes into the array and into every detection
    :param class_id_format: `label` puts the text into class_id, `index` the number from 1
    :return: the message
    """
    return Detection2DArray(
        header=header,
        detections=[
            _to_detection(box_xyxy, score, class_id, header)
            for box_xyxy, score, class_id in zip(
                detections.boxes_xyxy,
                detections.scores,
                to_class_ids(detections, class_id_format),
                strict=True,
            )
        ],
    )


def to_class_ids(detections: Detections, class_id_format: ClassIdFormat) -> list[str]:
    """
    Name the class of each detection as messages do.

    :param detections: N of them
    :param class_id_format: see to_detection_array
    :return: N texts
    """
    if class_id_format == 'label':
        return detections.labels
    return [str(class_id) for class_id in detections.class_ids.tolist()]


def _to_detection(
    box_xyxy: NDArray[np.float32], score: np.float32, class_id: str, header: Header
) -> Detection2D:
    x1, y1, x2, y2 = (float(edge) for edge in box_xyxy)
    result = ObjectHypothesisWithPose()
    result.hypothesis.class_id = class_id
    result.hypothesis.score = float(score)
    message = Detection2D(header=header, results=[result])
    message.bbox.center.position.x = (x1 + x2) / 2
    message.bbox.center.position.y = (y1 + y2) / 2
    message.bbox.size_x = x2 - x1
    message.bbox.size_y = y2 - y1
    return message


def to_label_info(labels: Sequence[str], score_threshold: float, header: Header) -> LabelInfo:
    """
    Build the message that maps class numbers to labels.

    :param labels: of classes 1..C; class 0 is the background and not listed
    :param score_threshold: the one that applies now
    :param header: with the time of publishing
    :return: the message
    """
    return LabelInfo(
        header=header,
        class_map=[
            VisionClass(class_id=class_id, class_name=label)
            for class_id, label in enumerate(labels, start=1)
        ],
        threshold=float(score_threshold),
    )


def to_image(image_rgb: NDArray[np.uint8], header: Header) -> Image:
    """
    Build an rgb8 image message.

    :param image_rgb: (H, W, 3) uint8
    :param header: of the source image
    :return: the message
    """
    height_px, width_px = image_rgb.shape[:2]
    # The only way that is fast both with and without the setters' type checks.
    data = array.array('B')
    data.frombytes(np.ascontiguousarray(image_rgb).data.cast('B'))
    return Image(
        header=header,
        height=height_px,
        width=width_px,
        encoding='rgb8',
        is_bigendian=0,
        step=width_px * 3,
        data=data,
    )


def to_statistics(report: Report, header: Header, cameras: Sequence[str]) -> DetectorStatistics:
    """
    Build the message of one period.

    :param report: of the period
    :param header: with the time of its end
    :param cameras: the image topics
    :return: the message
    """
    latency_p50_ms, latency_p95_ms, latency_p99_ms = _columns(report.latencies_ms)
    age_p50_ms, age_p95_ms, age_p99_ms = _columns(report.ages_ms)
    return DetectorStatistics(
        header=header,
        frames_received=report.num_received,
        frames_processed=report.num_processed,
        drop_reasons=list(report.drops),
        drop_counts=list(report.drops.values()),
        cameras=list(cameras),
        camera_received=list(report.received_by_camera),
        camera_processed=list(report.processed_by_camera),
        period_s=report.period_s,
        received_rate_hz=report.received_rate_hz,
        processed_rate_hz=report.processed_rate_hz,
        stages=list(report.latencies_ms),
        latency_p50_ms=latency_p50_ms,
        latency_p95_ms=latency_p95_ms,
        latency_p99_ms=latency_p99_ms,
        milestones=list(report.ages_ms),
        age_p50_ms=age_p50_ms,
        age_p95_ms=age_p95_ms,
        age_p99_ms=age_p99_ms,
    )


def _columns(percentiles: Percentiles) -> list[list[float]]:
    return [[row[column] for row in percentiles.values()] for column in range(len(PERCENTILES))]
