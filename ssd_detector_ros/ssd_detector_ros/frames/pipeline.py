"""An active node's way of a frame: subscriptions, who may enter, queue, worker."""

from collections.abc import Callable, Sequence
from functools import partial
import time

from rclpy.lifecycle import LifecycleNode
from rclpy.qos import QoSPolicyKind, QoSProfile, ReliabilityPolicy
from rclpy.qos_overriding_options import QoSOverridingOptions
from rclpy.subscription import Subscription

from ssd_detector import ImageError
from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.cameras.qos_events import subscribe_with_events
from ssd_detector_ros.cameras.transports import RAW
from ssd_detector_ros.frames.frame_processor import Arrival, FrameProcessor
from ssd_detector_ros.images.converter import Converter, Message
from ssd_detector_ros.images.serialized_images import read_image
from ssd_detector_ros.model.operation import Operation
from ssd_detector_ros.parameters.declaring import is_given
from ssd_detector_ros.parameters.qos_overrides import (
    reliability_parameter,
    SUBSCRIPTION_POLICIES,
)
from ssd_detector_ros.parameters.static_settings import StaticSettings
from ssd_detector_ros.threads.frame_queue import FrameQueue
from ssd_detector_ros.threads.polled_group import PolledGroup
from ssd_detector_ros.threads.receiver import find_obstacle, Receiver
from ssd_detector_ros.threads.worker import Worker
from ssd_detector_ros.timing.ages import age_ms, stamp_ns
from ssd_detector_ros.timing.statistics import Statistics

# For the frame at hand when the process is to end: it has two seconds in all.
_LAST_FRAME_S = 1.0


class Pipeline:
    """
    Takes frames in and has them processed, from construction until stop().

    :param node: in activate
    :param cameras: at least one
    :param settings: how many frames wait, and which are dropped
    :param operation: what works at the moment
    :param convert: message, scale of its samples -> RGB
    :param events: where the subscriptions' events wait
    :param on_failure: told of the exception that ended a thread of it
    """

    def __init__(
        self,
        node: LifecycleNode,
        cameras: Sequence[Camera],
        *,
        settings: StaticSettings,
        operation: Callable[[], Operation],
        convert: Converter,
        events: PolledGroup,
        on_failure: Callable[[Exception], None],
    ) -> None:
        self.is_enabled = True
        self.cameras = cameras
        self.statistics = Statistics(len(cameras))
        self._node = node
        self._operation = operation
        self._age_ms = partial(age_ms, node.get_clock())
        self._capacity = settings.capacity
        self._overflow = 'superseded' if settings.drop_policy == 'newest' else 'queue_full'
        self._frames: FrameQueue[Arrival] = FrameQueue(len(cameras), capacity=self._capacity)
        self._processor = FrameProcessor(
            operation,
            convert,
            statistics=self.statistics,
            age_ms=self._age_ms,
            log_error=node.get_logger().error,
            has_age_limit=settings.drop_policy == 'max_age',
        )
        self._worker = Worker(
            self._frames,
            self._processor.process,
            max_batch_size=settings.max_batch_size,
            on_failure=on_failure,
        )
        for camera in cameras:
            camera.forget_images()
        self._on_failure = on_failure
        # None: the executor takes the images.
        self._group = events if self._can_receive() else None
        self._receiver: Receiver | None = None
        self._subscriptions: list[Subscription] = []
        try:
            for camera in cameras:
                self._subscriptions.append(self._subscribe(camera))
            self._start_receiving()
        except Exception:
            self.stop()
            raise

    @property
    def qos(self) -> list[QoSProfile]:
        """The QoS of each camera's subscription, with what was overridden."""
        return [subscription.qos_profile for subscription in self._subscriptions]

    def ask_for(self, camera: Camera, reliability: ReliabilityPolicy) -> None:
        """
        Subscribe to a camera anew, unless it is so already or the user chose.

        :param camera: one of ours
        :param reliability: what to ask for
        """
        is_so = self._subscriptions[camera.index].qos_profile.reliability == reliability
        if is_so or self._is_reliability_given(camera):
            return
        self._stop_receiving()
        self._node.destroy_subscription(self._subscriptions[camera.index])
        self._subscriptions[camera.index] = self._subscribe(camera, reliability)
        self._start_receiving()
        reason = (
            'images were lost on the way, which the publishers offer to send again'
            if reliability == ReliabilityPolicy.RELIABLE
            else 'a publisher does not send lost images again'
        )
        self._node.get_logger().warning(
            f'{camera.name.topic}: {reason}: subscribing {reliability.name.lower()} from now on; '
            f'set {reliability_parameter(camera.name.topic)} to decide it'
        )

    def has_chosen_reliable(self, camera: Camera) -> bool:
        """
        Tell whether images are asked for again when they are lost, without the user's choice.

        :param camera: one of ours
        """
        asked = self._subscriptions[camera.index].qos_profile.reliability
        return asked == ReliabilityPolicy.RELIABLE and not self._is_reliability_given(camera)

    def stop(self) -> None:
        """Subscribe no longer, and finish the frame at hand."""
        self._stop_receiving()
        for subscription in self._subscriptions:
            self._node.destroy_subscription(subscription)
        self._subscriptions = []
        # After an interrupt an inference that does not end is left to the end of the process.
        self._worker.stop(None if self._node.context.ok() else _LAST_FRAME_S)

    def on_image(self, camera: Camera, message: Message) -> None:
        """
        Let a frame in or drop it; never waits for the detector.

        :param camera: where it comes from
        :param message: the image
        """
        self._note_received(camera)
        reason = self._reason_to_drop(camera)
        if reason is not None:
            self.statistics.count_drop(reason)
            return
        stamp = stamp_ns(message)
        age = self._age_ms(stamp) if stamp else None
        if self._frames.put(camera.index, Arrival(message, camera, age)):
            self.statistics.count_drop(self._overflow)
        # Lets go of the interpreter's lock: the worker starts now, not when the next wait is
        # prepared.
        time.sleep(0)

    def _on_serialized(self, camera: Camera, serialized: bytes) -> None:
        try:
            message = read_image(serialized)
        except ImageError as error:
            self._note_received(camera)
            self._processor.drop(camera, error)
            return
        self.on_image(camera, message)

    def _note_received(self, camera: Camera) -> None:
        self.statistics.count_received(camera.index)
        camera.note_received()

    def _reason_to_drop(self, camera: Camera) -> str | None:
        settings = self._operation().settings
        if not self.is_enabled:
            return 'disabled'
        if settings.only_if_subscribed and not camera.outputs.are_read():
            return 'nobody_listens'
        if not camera.rate_limit.admits(settings.max_rate_hz):
            return 'rate_limit'
        return None

    def _can_receive(self) -> bool:
        obstacle = find_obstacle(self._node.context)
        if obstacle:
            self._node.get_logger().info(
                f'images are taken by the executor, which costs more than a thread of its own: '
                f'this release of rclpy is another than those known here ({obstacle})'
            )
        return not obstacle

    def _start_receiving(self) -> None:
        if self._group is not None:
            self._receiver = Receiver(
                self._node.context, self._subscriptions, on_failure=self._on_failure
            )

    def _stop_receiving(self) -> None:
        if self._receiver is not None:
            self._receiver.stop()
        self._receiver = None

    def _is_reliability_given(self, camera: Camera) -> bool:
        return is_given(self._node, reliability_parameter(camera.name.topic))

    def _subscribe(
        self, camera: Camera, reliability: ReliabilityPolicy = ReliabilityPolicy.BEST_EFFORT
    ) -> Subscription:
        transport = camera.name.transport
        is_raw = transport is RAW
        callback = self._on_serialized if is_raw else self.on_image
        # Best effort fits whatever a camera offers; no deeper than the frames that may wait.
        qos = QoSProfile(depth=self._capacity, reliability=reliability)
        # Declared, it would stay what it was at first.
        policies = [
            kind
            for kind in SUBSCRIPTION_POLICIES
            if kind != QoSPolicyKind.RELIABILITY or self._is_reliability_given(camera)
        ]
        return subscribe_with_events(
            lambda events: self._node.create_subscription(
                transport.message,
                camera.name.given,
                partial(callback, camera),
                qos,
                raw=is_raw,
                callback_group=self._group,
                event_callbacks=events,
                qos_overriding_options=QoSOverridingOptions(policies),
            ),
            camera,
            self._node.get_logger(),
        )
