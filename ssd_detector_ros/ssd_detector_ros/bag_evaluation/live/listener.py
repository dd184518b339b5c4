"""Plays images to a node and hears what it answers, each on a thread of its own."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
import time
from typing import Any

from builtin_interfaces.msg import Time
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.serialization import deserialize_message
from rosgraph_msgs.msg import Clock
from sensor_msgs.msg import CompressedImage, Image
from vision_msgs.msg import Detection2DArray

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.box_reading import BoxArray, to_box_array
from ssd_detector_ros.bag_evaluation.reading.decoding import read_header
from ssd_detector_ros.bag_evaluation.reading.message_types import IMAGE
from ssd_detector_ros.bag_evaluation.scoring.sums import NodeCounts
from ssd_msgs.msg import DetectorStatistics

_DEPTH = 1000
_CLOCK_PERIOD_S = 0.01
_POLL_S = 0.02


class Listener:
    """
    A participant that plays images and hears detections and statistics.

    :param image_topic: where to play
    :param image_type: of the images, such as sensor_msgs/msg/Image
    :param detections: topic of the answers
    :param statistics: topic of the node's own counts
    :param has_clock: whether it publishes /clock
    """

    def __init__(
        self,
        image_topic: str,
        image_type: str,
        *,
        detections: str,
        statistics: str,
        has_clock: bool = False,
    ) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = rclpy.create_node('evaluate_bag', context=self._context)
        self._lock = Lock()
        self._detections_topic = detections
        self._answers: list[tuple[int, bytes]] = []
        self._counts: list[NodeCounts] = []
        self._heard = Event()
        self._image_topic = image_topic
        reliable = QoSProfile(depth=10, reliability=ReliabilityPolicy.RELIABLE)
        self._images = self.node.create_publisher(
            Image if image_type == IMAGE else CompressedImage, image_topic, reliable
        )
        self._clock = self.node.create_publisher(Clock, '/clock', reliable) if has_clock else None
        self.node.create_subscription(
            DetectorStatistics, statistics, self._on_statistics, QoSProfile(depth=10)
        )
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._thread = Thread(target=self._spin, name='evaluate_bag', daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Leave."""
        self._context.try_shutdown()
        self._thread.join()
        self._executor.shutdown()
        self.node.destroy_node()

    def wait_for_node(self, timeout_s: float, check: Callable[[], None]) -> None:
        """
        Wait until a node subscribes to the images and publishes detections; then hear them.

        :param timeout_s: for how long
        :param check: raises when waiting is in vain
        :raises BagError: when nobody came
        """

        def is_there() -> bool:
            publishers = self.node.count_publishers(self._detections_topic)
            return bool(self._images.get_subscription_count() and publishers)

        if not self.wait(is_there, timeout_s, check):
            has_reader = self._images.get_subscription_count()
            what = (
                f'publishes {self._detections_topic}'
                if has_reader
                else f'subscribes to {self._image_topic}'
            )
            raise BagError(
                [
                    f'replay: no node {what} after {timeout_s:.0f} s; start it, name it with '
                    f'--node and its topics with --play_topic and --detections'
                ]
            )
        (offer, *_) = self.node.get_publishers_info_by_topic(self._detections_topic)
        # What the publisher offers: a reliable reader hears nothing from a best-effort writer.
        qos = QoSProfile(
            depth=_DEPTH,
            reliability=offer.qos_profile.reliability,
            durability=DurabilityPolicy.VOLATILE,
        )
        # Serialized: what has to be converted first would seem to arrive later.
        self.node.create_subscription(
            Detection2DArray, self._detections_topic, self._on_detections, qos, raw=True
        )

    def wait(
        self, condition: Callable[[], bool], timeout_s: float, check: Callable[[], None]
    ) -> bool:
        """
        Wait for something.

        :param condition: is asked again and again
        :param timeout_s: for how long
        :param check: raises when waiting is in vain
        :return: whether it came
        """
        end_s = time.monotonic() + timeout_s
        while not condition():
            check()
            if time.monotonic() > end_s:
                return False
            self._heard.wait(_POLL_S)
            self._heard.clear()
        return True

    def play(self, serialized: bytes, *, due_s: float, clock_ns: int | None = None) -> float:
        """
        Publish an image when it is due.

        :param serialized: the message
        :param due_s: by time.monotonic
        :param clock_ns: what /clock says then
        :return: when it was published, by time.monotonic
        """
        while (left_s := due_s - time.monotonic()) > 0:
            if self._clock is not None and clock_ns is not None:
                self._tell_time(clock_ns - round(left_s * 1e9))
            time.sleep(min(left_s, _CLOCK_PERIOD_S) if self._clock is not None else left_s)
        if clock_ns is not None:
            self._tell_time(clock_ns)
        now_s = time.monotonic()
        self._images.publish(serialized)
        return now_s

    @property
    def answers(self) -> list[BoxArray]:
        """What was heard so far; time_ns is time.monotonic_ns on arrival."""
        with self._lock:
            heard = list(self._answers)
        return [
            to_box_array(deserialize_message(serialized, Detection2DArray), arrival_ns)
            for arrival_ns, serialized in heard
        ]

    @property
    def stamps_ns(self) -> list[int]:
        """The stamps of what was heard so far."""
        with self._lock:
            headers = [read_header(serialized) for _, serialized in self._answers]
        return [header[0] for header in headers if header is not None]

    @property
    def counts(self) -> list[NodeCounts]:
        """What the node said of itself so far."""
        with self._lock:
            return list(self._counts)

    def forget(self) -> None:
        """Begin anew with what is heard from now on."""
        with self._lock:
            self._answers.clear()
            self._counts.clear()

    def _tell_time(self, time_ns: int) -> None:
        if self._clock is not None:
            seconds, nanoseconds = divmod(max(time_ns, 0), 10**9)
            self._clock.publish(Clock(clock=Time(sec=seconds, nanosec=nanoseconds)))

    def _on_detections(self, serialized: bytes) -> None:
        arrival_ns = time.monotonic_ns()
        with self._lock:
            self._answers.append((arrival_ns, serialized))
        self._heard.set()

    def _on_statistics(self, message: Any) -> None:
        drops = dict(zip(message.drop_reasons, map(int, message.drop_counts), strict=True))
        counts = NodeCounts(int(message.frames_received), int(message.frames_processed), drops)
        with self._lock:
            self._counts.append(counts)
        self._heard.set()

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass


@contextmanager
def listening(**options: Any) -> Iterator[Listener]:
    """
    Open a listener, and close it.

    :param options: of Listener
    :return: the listener
    """
    listener = Listener(**options)
    try:
        yield listener
    finally:
        listener.close()
