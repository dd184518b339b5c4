"""The node's publishers: topics, QoS, and what is published when."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from ssd_detector import Detections, Detector
from ssd_detector.draw import draw_detections
from ssd_detector_ros.messages import (
    ClassIdFormat,
    to_detection_array,
    to_image,
    to_label_info,
    to_statistics,
)
from ssd_detector_ros.statistics import Report
from ssd_msgs.msg import DetectorStatistics

# Reliable, as rclpy's default is: readers that are not (RViz can be either) get the messages too.
DETECTIONS_QOS = QoSProfile(depth=10)
# For whoever comes late: the last one is kept.
LABEL_INFO_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OVERLAY_QOS = QoSProfile(depth=1)
STATISTICS_QOS = QoSProfile(depth=10)


class Outputs:
    """
    The publishers of a configured node; they publish while it is active.

    :param node: in configure
    """

    def __init__(self, node: LifecycleNode) -> None:
        self._node = node
        self._detections = self._create(Detection2DArray, '~/detections', DETECTIONS_QOS)
        self._label_info = self._create(LabelInfo, '~/label_info', LABEL_INFO_QOS)
        self._overlay = self._create(Image, '~/overlay', OVERLAY_QOS)
        self._statistics = self._create(DetectorStatistics, '~/statistics', STATISTICS_QOS)

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in (self._detections, self._label_info, self._overlay, self._statistics):
            self._node.destroy_lifecycle_publisher(publisher)

    def publish_detections(
        self, detections: Detections, header: Header, class_id_format: ClassIdFormat
    ) -> None:
        """
        Publish what was found in one frame, also when it is nothing.

        :param detections: in pixels of the frame
        :param header: of the frame
        :param class_id_format: see to_detection_array
        """
        self._detections.publish(to_detection_array(detections, header, class_id_format))

    def publish_overlay(
        self, image_rgb: NDArray[np.uint8], detections: Detections, header: Header
    ) -> None:
        """
        Draw and publish, if anyone looks.

        :param image_rgb: (H, W, 3) uint8, the frame
        :param detections: in pixels of the frame
        :param header: of the frame
        """
        if self._overlay.get_subscription_count() > 0:
            self._overlay.publish(to_image(draw_detections(image_rgb, detections), header))

    def publish_label_info(self, detector: Detector) -> None:
        """
        Publish labels and threshold as they are now.

        :param detector: that is running
        """
        self._label_info.publish(
            to_label_info(detector.labels, detector.thresholds.score_threshold, self._now())
        )

    def publish_statistics(self, report: Report) -> None:
        """
        Publish what was counted.

        :param report: of the last period
        """
        self._statistics.publish(to_statistics(report, self._now()))

    def _create(self, message_type: type, topic: str, qos: QoSProfile) -> Any:
        return self._node.create_lifecycle_publisher(
            message_type,
            topic,
            qos,
            qos_overriding_options=QoSOverridingOptions.with_default_policies(),
        )

    def _now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())
