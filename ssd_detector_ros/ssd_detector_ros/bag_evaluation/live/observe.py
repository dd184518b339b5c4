"""What a live node does, watched for some seconds."""

import time
from typing import Any

import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray, LabelInfo

from ssd_detector import ImageError
from ssd_detector_ros.bag_evaluation.checking.observation import Observation, SeenImage
from ssd_detector_ros.bag_evaluation.checking.observing import Watched
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray, stamp_ns, to_box_array
from ssd_detector_ros.bag_evaluation.reading.message_types import (
    COMPRESSED_IMAGE,
    DETECTIONS,
    IMAGE,
)
from ssd_detector_ros.images.compressed_images import decode_rgb

_FIND_S = 10.0
_POLL_S = 0.05


def observe_live(watched: Watched, *, seconds: float) -> Observation:
    """
    Listen to images and answers for a while.

    :param watched: topics; those of the only detector and its only camera by default
    :param seconds: for how long
    :return: what was seen
    :raises BagError: when nobody publishes
    """
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = rclpy.create_node('check_detector', context=context)
    executor = SingleThreadedExecutor(context=context)
    executor.add_node(node)
    try:
        return _Watcher(node, executor, watched).watch(seconds)
    except (KeyboardInterrupt, ExternalShutdownException):
        raise BagError(['check_detector: interrupted before it had seen enough']) from None
    finally:
        executor.shutdown()
        node.destroy_node()
        context.try_shutdown()


class _Watcher:
    def __init__(self, node: Node, executor: SingleThreadedExecutor, watched: Watched) -> None:
        self._node = node
        self._executor = executor
        self._watched = watched
        self._images: dict[int, SeenImage] = {}
        self._arrays: list[BoxArray] = []
        self._class_map: dict[str, str] | None = None

    def watch(self, seconds: float) -> Observation:
        detections = self._find((DETECTIONS,), self._watched.detections, 'detections')[0]
        image_topic, image_type = self._find(
            (IMAGE, COMPRESSED_IMAGE), self._watched.image_topic, 'image_topic'
        )
        offer = self._node.get_publishers_info_by_topic(detections)[0].qos_profile
        label_topic = f'{detections.rpartition("/")[0]}/label_info'
        self._listen(detections, image_topic, image_type, label_topic, offer.reliability)
        self._spin(seconds)
        label_offers = self._node.get_publishers_info_by_topic(label_topic)
        # What came before the first image that could be seen answers none of them.
        first_ns = min(self._images, default=0)
        # The last images may still be at work.
        newest_ns = max((array.stamp_ns for array in self._arrays), default=0)
        images = [image for image in self._images.values() if image.stamp_ns <= newest_ns]
        return Observation(
            images=images or list(self._images.values()),
            arrays=[array for array in self._arrays if array.stamp_ns >= first_ns],
            class_map=self._class_map,
            is_reliable=offer.reliability == ReliabilityPolicy.RELIABLE,
            is_latched=all(
                publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
                for publisher in label_offers
            )
            if label_offers
            else None,
            max_age_ms=self._watched.max_age_ms,
            min_answered=self._watched.min_answered,
        )

    def _find(self, types: tuple[str, ...], name: str | None, option: str) -> tuple[str, str]:
        """Find who publishes; discovery takes seconds."""
        end_s = time.monotonic() + _FIND_S
        while True:
            published = {
                topic: type_names[0]
                for topic, type_names in self._node.get_topic_names_and_types()
                if type_names[0] in types and self._node.count_publishers(topic)
            }
            wanted = published if name is None else {name: published.get(name, '')}
            # The pictures that a detector draws are no camera.
            found = {
                topic: kind
                for topic, kind in wanted.items()
                if kind and not topic.endswith(('/overlay', '/candidates'))
            }
            if len(found) == 1 or time.monotonic() > end_s:
                break
            self._spin(_POLL_S)
        if len(found) == 1:
            return next(iter(found.items()))
        listed = ', '.join(sorted(found or published)) or 'none'
        what = name or f'one topic of {types[0].rpartition("/")[2]}'
        raise BagError(
            [f'check_detector: looked for {what}; published are: {listed}; choose: --{option}']
        )

    def _listen(
        self,
        detections: str,
        image_topic: str,
        image_type: str,
        label_topic: str,
        reliability: ReliabilityPolicy,
    ) -> None:
        images = self._node.get_publishers_info_by_topic(image_topic)[0].qos_profile
        self._node.create_subscription(
            Image if image_type == IMAGE else CompressedImage,
            image_topic,
            self._on_image,
            QoSProfile(depth=10, reliability=images.reliability),
        )
        self._node.create_subscription(
            Detection2DArray,
            detections,
            self._on_detections,
            QoSProfile(depth=100, reliability=reliability),
        )
        is_latched = any(
            publisher.qos_profile.durability == DurabilityPolicy.TRANSIENT_LOCAL
            for publisher in self._node.get_publishers_info_by_topic(label_topic)
        )
        durability = DurabilityPolicy.TRANSIENT_LOCAL if is_latched else DurabilityPolicy.VOLATILE
        self._node.create_subscription(
            LabelInfo, label_topic, self._on_labels, QoSProfile(depth=1, durability=durability)
        )

    def _spin(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def _on_image(self, message: Any) -> None:
        time_ns = time.monotonic_ns()
        try:
            size_wh = (
                (message.width, message.height)
                if isinstance(message, Image)
                else decode_rgb(message).shape[1::-1]
            )
        except ImageError:
            return
        stamp = stamp_ns(message.header)
        self._images[stamp] = SeenImage(
            stamp, message.header.frame_id, (int(size_wh[0]), int(size_wh[1])), time_ns
        )

    def _on_detections(self, message: Any) -> None:
        self._arrays.append(to_box_array(message, time.monotonic_ns()))

    def _on_labels(self, message: Any) -> None:
        self._class_map = {str(entry.class_id): entry.class_name for entry in message.class_map}
