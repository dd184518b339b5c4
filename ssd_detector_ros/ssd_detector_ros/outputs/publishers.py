"""The node's publishers: topics, QoS, and what is published when."""

from collections.abc import Sequence
from functools import partial
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus
import numpy as np
from numpy.typing import NDArray
from rclpy.lifecycle import LifecycleNode
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.qos_overriding_options import QoSOverridingOptions
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from ssd_detector import Detections, Detector
from ssd_detector.images.drawing import draw_detections
from ssd_detector_ros.outputs import foxglove
from ssd_detector_ros.outputs.messages import (
    ClassIdFormat,
    to_image,
    to_label_info,
    to_statistics,
)
from ssd_detector_ros.outputs.serialized_detections import to_message
from ssd_detector_ros.threads.polled_group import PolledGroup
from ssd_detector_ros.timing.statistics import Report
from ssd_msgs.msg import DetectorStatistics

# Reliable, as rclpy's default is: readers that are not (RViz can be either) get the messages too.
DETECTIONS_QOS = QoSProfile(depth=10)
# For whoever comes late: the last one is kept.
LABEL_INFO_QOS = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
OVERLAY_QOS = QoSProfile(depth=1)
STATISTICS_QOS = QoSProfile(depth=10)
DIAGNOSTICS_QOS = QoSProfile(depth=10)


class CameraOutputs:
    """
    What is published for each frame of one camera.

    :param node: in configure; the publishers work while it is active
    :param prefix: of the topics, such as `~` or `~/front`
    :param events: where the publishers' events wait
    """

    def __init__(self, node: LifecycleNode, prefix: str, events: PolledGroup) -> None:
        self._node = node
        create = partial(_create, node, events)
        self._detections = create(Detection2DArray, f'{prefix}/detections', DETECTIONS_QOS)
        self._candidates = create(Detection2DArray, f'{prefix}/candidates', DETECTIONS_QOS)
        self._overlay = create(Image, f'{prefix}/overlay', OVERLAY_QOS)
        self._publishers = [self._detections, self._candidates, self._overlay]
        self._annotations = None
        if foxglove.messages is not None:
            message_type = foxglove.messages.ImageAnnotations
            self._annotations = create(message_type, f'{prefix}/annotations', OVERLAY_QOS)
            self._publishers.append(self._annotations)

    def destroy(self) -> None:
        """Take the topics away."""
        for publisher in self._publishers:
            self._node.destroy_lifecycle_publisher(publisher)

    def are_read(self) -> bool:
        """Tell whether anybody subscribes to any of the topics."""
        return any(publisher.get_subscription_count() > 0 for publisher in self._publishers)

    def candidates_are_read(self) -> bool:
        """Tell whether anybody subscribes to the candidates."""
        return bool(self._candidates.get_subscription_count() > 0)

    def publish_detections(
        self, detections: Detections, header: Header, class_id_format: ClassIdFormat
    ) -> None:
        """
        Publish what was found in one frame, also when it is nothing.

        :param detections: in pixels of the frame
        :param header: of the frame
        :param class_id_format: see to_detection_array
        """
        self._detections.publish(to_message(detections, header, class_id_format))

    def publish_candidates(
        self, candidates: Detections, header: Header, class_id_format: ClassIdFormat
    ) -> None:
        """
        Publish what a low threshold lets through.

        :param candidates: in pixels of the frame
        :param header: of the frame
        :param class_id_format: see to_detection_array
        """
        self._candidates.publish(to_message(candidates, header, class_id_format))

    def publish_pictures(
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
        if self._annotations is not None and self._annotations.get_subscription_count() > 0:
            annotations = foxglove.to_annotations(detections, header, foxglove.messages)
            self._annotations.publish(annotations)


class NodeOutputs:
    """
    What is published for the node as a whole.

    :param node: just constructed
    :param events: where the publishers' events wait
    """

    def __init__(self, node: LifecycleNode, events: PolledGroup) -> None:
        self._node = node
        create = partial(_create, node, events)
        self._label_info = create(LabelInfo, '~/label_info', LABEL_INFO_QOS)
        self._statistics = create(DetectorStatistics, '~/statistics', STATISTICS_QOS)
        # Not a lifecycle publisher: an inactive node has something to say here as well.
        self._diagnostics = node.create_publisher(
            DiagnosticArray, '/diagnostics', DIAGNOSTICS_QOS, callback_group=events
        )

    def publish_label_info(self, detector: Detector, score_threshold: float) -> None:
        """
        Publish labels and threshold as they are now.

        :param detector: that is running
        :param score_threshold: that applies
        """
        self._label_info.publish(to_label_info(detector.labels, score_threshold, self._now()))

    def publish_statistics(self, report: Report, cameras: Sequence[str]) -> None:
        """
        Publish what was counted.

        :param report: of the last period
        :param cameras: the image topics
        """
        self._statistics.publish(to_statistics(report, self._now(), cameras))

    def publish_diagnostics(self, statuses: Sequence[DiagnosticStatus]) -> None:
        """
        Publish how the node is doing.

        :param statuses: of its parts
        """
        self._diagnostics.publish(DiagnosticArray(header=self._now(), status=list(statuses)))

    def _now(self) -> Header:
        return Header(stamp=self._node.get_clock().now().to_msg())


def _create(
    node: LifecycleNode, events: PolledGroup, message_type: type, topic: str, qos: QoSProfile
) -> Any:
    return node.create_lifecycle_publisher(
        message_type,
        topic,
        qos,
        callback_group=events,
        qos_overriding_options=QoSOverridingOptions.with_default_policies(),
    )
