"""A peer that talks to the node over DDS."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from copy import deepcopy
import time
from typing import Any

from builtin_interfaces.msg import Time
from diagnostic_msgs.msg import DiagnosticArray
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState, GetState
import rclpy
from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import DurabilityPolicy, QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray, LabelInfo

from ssd_msgs.msg import DetectorStatistics
from ssd_msgs.srv import LoadModel, SetEnabled, Snapshot
from tests.patience import wait_for
from tests.ros.made_images import plain_image

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
# rclpy's own callbacks log, which is a deprecated call in Kilted.
NO_EVENTS = PublisherEventCallbacks(use_default_callbacks=False)
SERVICES = {
    'change_state': ChangeState,
    'get_state': GetState,
    'load_model': LoadModel,
    'set_enabled': SetEnabled,
    'snapshot': Snapshot,
}


def _key_of(header: Header) -> tuple[str, int, int]:
    return header.frame_id, header.stamp.sec, header.stamp.nanosec


class Peer:
    """
    Another participant, with a context of its own.

    :param namespace: the detector's
    :param is_reader: whether it subscribes to the detections
    """

    def __init__(self, namespace: str, *, is_reader: bool = True) -> None:
        self.detector = f'/{namespace}/ssd_detector'
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = rclpy.create_node('peer', namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        # Fast DDS drops an answer to a client whose reader the server does not know 0.1 s later
        # (ros2/rmw_fastrtps#842, open), and a client can not see whether it does. Readers are made
        # known in order: a message for one that is younger than the clients tells that all are.
        self._clients = {
            name: self.node.create_client(service_type, f'{self.detector}/{name}')
            for name, service_type in SERVICES.items()
        }
        self._parameters = AsyncParameterClient(self.node, self.detector)
        self._answers: list[Detection2DArray] = []
        # Those that were looked at, by header: comparing all with one takes longer than they took.
        self._answers_by_header: dict[tuple[str, int, int], list[Detection2DArray]] = {}
        self._num_sorted = 0
        if is_reader:
            self.hear('detections')
        self._statistics = self.listen(DetectorStatistics, 'statistics', QoSProfile(depth=10))
        self._diagnostics: list[DiagnosticArray] = []
        self.node.create_subscription(
            DiagnosticArray, '/diagnostics', self._diagnostics.append, QoSProfile(depth=10)
        )
        self._publishers: dict[str, Any] = {}
        self._num_sent = 0

    def close(self) -> None:
        """Leave."""
        self._executor.shutdown()
        self.node.destroy_node()
        self._context.try_shutdown()

    def wait_for(self, condition: Callable[[], Any], what: str) -> Any:
        """
        Spin until something is so.

        :param condition: returns something true
        :param what: is awaited, for the message
        :return: what the condition returned
        """
        return wait_for(condition, what, pause=lambda: self._executor.spin_once(timeout_sec=0.02))

    def wait_until_active(self) -> None:
        """Wait until images reach the node and its detections reach us."""
        self.wait_for_services()
        self.establish(plain_image())

    def wait_for_services(self) -> None:
        """Wait until requests reach the node."""
        self.wait_for(self._parameters.services_are_ready, 'the parameter services')

    def establish(self, message: Any, *, topic: str = 'image', age_s: float | None = None) -> None:
        """
        Send an image until it is answered: each side sees the other at a time of its own.

        :param message: the image
        :param topic: as given to publisher()
        :param age_s: see send()
        """
        publisher = self.publisher(topic, type(message))
        self.wait_for(publisher.get_subscription_count, f'the node to subscribe to {topic}')
        sent: list[Header] = []
        self.wait_for(
            lambda: (
                any(self.num_answers_to(header) for header in sent)
                or sent.append(self.send(message, topic=topic, age_s=age_s))
            ),
            f'a first answer to {topic}',
        )

    def listen(self, message_type: Any, topic: str, qos: QoSProfile) -> list[Any]:
        """
        Subscribe to a topic of the detector.

        :param message_type: its type
        :param topic: without `~/`
        :param qos: of the subscription
        :return: grows with each message
        """
        messages: list[Any] = []
        self.node.create_subscription(
            message_type, f'{self.detector}/{topic}', messages.append, qos
        )
        return messages

    def hear(self, topic: str) -> None:
        """
        Take what arrives on a topic of detections for answers.

        :param topic: without `~/`
        """
        self.node.create_subscription(
            Detection2DArray,
            f'{self.detector}/{topic}',
            self._answers.append,
            QoSProfile(depth=100),
        )

    def publisher(
        self, topic: str = 'image', message_type: Any = Image, qos: QoSProfile | int = 10
    ) -> Any:
        """
        Give the publisher on a topic of images; it is made at the first call.

        :param topic: relative to the namespace, or absolute
        :param message_type: of the images
        :param qos: that it offers
        :return: the publisher
        """
        if topic not in self._publishers:
            self._publishers[topic] = self.node.create_publisher(
                message_type, topic, qos, event_callbacks=NO_EVENTS
            )
        return self._publishers[topic]

    def drop_publisher(self, topic: str = 'image') -> None:
        """
        Let a camera disappear.

        :param topic: as given to publisher()
        """
        self.node.destroy_publisher(self._publishers.pop(topic))

    def listen_to_label_info(self) -> list[LabelInfo]:
        """Subscribe to the labels, and get the last message at once."""
        return self.listen(LabelInfo, 'label_info', LATCHED)

    def send(self, message: Any, *, topic: str = 'image', age_s: float | None = None) -> Header:
        """
        Publish an image under a stamp that no other has.

        :param message: the image; its header is set
        :param topic: as given to publisher()
        :param age_s: how old the stamp shall be; None for stamps of 1970, which are fewer digits
        :return: the header
        """
        self._num_sent += 1
        if age_s is None:
            message.header.stamp = Time(sec=self._num_sent, nanosec=123_456_789)
        else:
            stamp = self.node.get_clock().now() - Duration(nanoseconds=int(age_s * 1e9))
            message.header.stamp = stamp.to_msg()
        message.header.frame_id = f'camera {self._num_sent}'
        self.publisher(topic, type(message)).publish(message)
        # The caller may send the same message again.
        return deepcopy(message.header)

    def answer_to(self, header: Header) -> Detection2DArray:
        """
        Wait for the detections of an image.

        :param header: of the image
        :return: the message
        """
        return self.wait_for(
            lambda: next(iter(self.answers_to(header)), None), f'detections of {header.frame_id}'
        )

    def ask(self, message: Image) -> Detection2DArray:
        """
        Publish an image and wait for what is found in it.

        :param message: the image
        :return: the detections
        """
        return self.answer_to(self.send(message))

    def answers_to(self, header: Header) -> list[Detection2DArray]:
        """List the messages that arrived for an image so far."""
        for answer in self._answers[self._num_sorted :]:
            self._answers_by_header.setdefault(_key_of(answer.header), []).append(answer)
        self._num_sorted = len(self._answers)
        return list(self._answers_by_header.get(_key_of(header), ()))

    def num_answers_to(self, header: Header) -> int:
        """Count the messages that arrived for an image so far."""
        return len(self.answers_to(header))

    def answered_since(self, header: Header) -> list[Header]:
        """
        List what was answered, in the order of the answers.

        :param header: of the first image that counts
        :return: the headers of it and of all that came after it
        """
        headers = [answer.header for answer in self._answers]
        return headers[headers.index(header) :]

    def count_answers(self) -> tuple[int, int]:
        """Count all answers, and those to a frame that had one already."""
        stamps = [
            (answer.header.stamp.sec, answer.header.stamp.nanosec) for answer in self._answers
        ]
        return len(stamps), len(stamps) - len(set(stamps))

    def spin_until(self, end_s: float) -> None:
        """
        Take in what arrives.

        :param end_s: by time.monotonic
        """
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)

    def latest_statistics(self) -> DetectorStatistics:
        """Give the last statistics that arrived; before the first, empty ones."""
        return self._statistics[-1] if self._statistics else DetectorStatistics()

    def statistics(self) -> DetectorStatistics:
        """Wait for the next statistics; they come once a second."""
        self._statistics.clear()
        return self.wait_for(lambda: self._statistics, 'statistics')[-1]

    def num_dropped(self, reason: str) -> int:
        """
        Wait for the next statistics.

        :param reason: as in drop_reasons
        :return: how many images were dropped for it since the node was activated
        """
        latest = self.statistics()
        return dict(zip(latest.drop_reasons, latest.drop_counts, strict=True)).get(reason, 0)

    def wait_for_drop(self, reason: str, trigger: Callable[[], object]) -> None:
        """
        Do something until images are dropped for a reason.

        :param reason: as in drop_reasons
        :param trigger: what to do once a second
        """
        before = self.num_dropped(reason)
        self.wait_for(
            lambda: [trigger(), self.num_dropped(reason) > before][1], f'a drop: {reason}'
        )

    def diagnosis(self, part: str, condition: Callable[[Any], bool]) -> Any:
        """
        Wait until a part of the node is said to be in some state.

        :param part: such as `model` or `images`
        :param condition: DiagnosticStatus -> whether it is the one
        :return: the DiagnosticStatus
        """
        self._diagnostics.clear()
        prefix = f'{self.detector.lstrip("/")}: {part}'

        def find() -> Any:
            statuses = (status for array in self._diagnostics for status in array.status)
            ours = (status for status in statuses if status.name.startswith(prefix))
            return next(filter(condition, ours), None)

        return self.wait_for(find, f'a diagnosis of {part}; last: {self._diagnostics[-1:]}')

    def set_parameter(self, name: str, value: object) -> Any:
        """
        Set a parameter of the detector by its service.

        :param name: of the parameter
        :param value: its type decides the parameter's
        :return: rcl_interfaces/SetParametersResult
        """
        return self.finish(self._parameters.set_parameters([Parameter(name, value=value)]))[0]

    def set_parameter_later(self, name: str, value: object) -> Any:
        """
        Set a parameter of the detector, and wait elsewhere.

        :param name: of the parameter
        :param value: its type decides the parameter's
        :return: the future
        """
        return self._parameters.set_parameters([Parameter(name, value=value)])

    def get_parameter(self, name: str) -> Any:
        """
        Get a parameter of the detector by its service.

        :param name: of the parameter
        :return: its value, as rcl_interfaces/ParameterValue
        """
        return self.finish(self._parameters.get_parameters([name]))[0]

    def call(self, service: str, request: Any) -> Any:
        """
        Call a service of the detector.

        :param service: one of SERVICES
        :param request: what to ask
        :return: the response
        """
        future = self.call_later(service, request)
        self.wait_for(future.done, f'the answer of {service}')
        return future.result()

    def call_later(self, service: str, request: Any) -> Any:
        """
        Call a service of the detector, and wait elsewhere.

        :param service: one of SERVICES
        :param request: what to ask
        :return: the future
        """
        client = self._clients[service]
        self.wait_for(client.service_is_ready, service)
        return client.call_async(request)

    def change_state(self, *transitions: int) -> bool:
        """
        Drive the detector's lifecycle, until a transition fails.

        :param transitions: as in lifecycle_msgs/Transition
        :return: whether all succeeded
        """
        requests = (
            ChangeState.Request(transition=Transition(id=transition)) for transition in transitions
        )
        return all(self.call('change_state', request).success for request in requests)

    def state(self) -> str:
        """Ask for the label of the detector's lifecycle state."""
        return str(self.call('get_state', GetState.Request()).current_state.label)

    def finish(self, future: Any) -> Any:
        """Wait for an answer of a parameter service and unpack it."""
        self.wait_for(future.done, 'an answer of a parameter service')
        response = future.result()
        return response.results if hasattr(response, 'results') else response.values


@contextmanager
def peer(namespace: str, *, is_reader: bool = True) -> Iterator[Peer]:
    """
    Join, and leave at the end.

    :param namespace: the detector's
    :param is_reader: whether it subscribes to the detections
    :return: the peer
    """
    one = Peer(namespace, is_reader=is_reader)
    try:
        yield one
    finally:
        with suppress(RuntimeError):
            one.close()
