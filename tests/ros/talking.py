"""The two sides of a ROS test: the node as a process, and a peer that talks to it over DDS."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
import signal
import subprocess
import time
from typing import Any

from ament_index_python.packages import get_package_prefix
import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from rclpy.parameter_client import AsyncParameterClient
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from ssd_detector_ros.messages import to_image
from ssd_msgs.msg import DetectorStatistics

# Discovery alone may take 3 s, on a busy machine more.
TIMEOUT_S = 20.0


@contextmanager
def running(
    command: Sequence[str | Path],
    log: Path,
    *,
    environment: dict[str, str] | None = None,
    folder: Path | None = None,
) -> Iterator[subprocess.Popen[bytes]]:
    """
    Run a process; interrupt it at the end, if it still runs.

    :param command: program and arguments
    :param log: file for its output
    :param environment: instead of this process's
    :param folder: to run in
    :return: the process
    """
    with log.open('wb') as output:
        process = subprocess.Popen(
            command, stdout=output, stderr=subprocess.STDOUT, env=environment, cwd=folder
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(TIMEOUT_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                raise


def detector_command(namespace: str = '', **parameters: object) -> list[str | Path]:
    """
    Build the command line of the node.

    :param namespace: of the node
    :param parameters: of the node
    :return: program and arguments
    """
    program = Path(get_package_prefix('ssd_detector_ros'), 'lib/ssd_detector_ros/detector')
    command: list[str | Path] = [program, '--ros-args', '-r', f'__ns:=/{namespace}']
    for name, value in parameters.items():
        command += ['-p', f'{name}:={value}']
    return command


class Peer:
    """
    Another participant, with a context of its own.

    :param namespace: the detector's
    """

    def __init__(self, namespace: str) -> None:
        self.detector = f'/{namespace}/ssd_detector'
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self.node = rclpy.create_node('peer', namespace=namespace, context=self._context)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self.node)
        self._answers = self.listen(Detection2DArray, 'detections', QoSProfile(depth=100))
        self._statistics = self.listen(DetectorStatistics, 'statistics', QoSProfile(depth=10))
        self._images = self.node.create_publisher(Image, 'image', 10)
        self._parameters = AsyncParameterClient(self.node, self.detector)
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
        end_s = time.monotonic() + TIMEOUT_S
        while not (value := condition()):
            assert time.monotonic() < end_s, f'waited {TIMEOUT_S} s for {what}'
            self._executor.spin_once(timeout_sec=0.02)
        return value

    def wait_until_active(self) -> None:
        """Wait until images reach the node and its detections reach us."""
        self.wait_for(self._parameters.services_are_ready, 'the parameter services')
        self.wait_for(self._images.get_subscription_count, 'the node to subscribe')
        self._answers.clear()
        # The node may see our subscription later than we see the node: ask until it answers.
        self.wait_for(lambda: self._answers or not self.send(plain_image()), 'a first answer')

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

    def send(self, message: Image) -> Header:
        """
        Publish an image under a stamp that no other has.

        :param message: the image; its header is set
        :return: the header
        """
        self._num_sent += 1
        message.header.stamp.sec = self._num_sent
        message.header.stamp.nanosec = 123_456_789
        message.header.frame_id = f'camera {self._num_sent}'
        self._images.publish(message)
        return message.header

    def answer_to(self, header: Header) -> Detection2DArray:
        """
        Wait for the detections of an image.

        :param header: of the image
        :return: the message
        """
        return self.wait_for(
            lambda: next((one for one in self._answers if one.header == header), None),
            f'detections of {header.frame_id}',
        )

    def ask(self, message: Image) -> Detection2DArray:
        """
        Publish an image and wait for what is found in it.

        :param message: the image
        :return: the detections
        """
        return self.answer_to(self.send(message))

    def num_answers_to(self, header: Header) -> int:
        """Count the messages that arrived for an image so far."""
        return sum(one.header == header for one in self._answers)

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

    def set_parameter(self, name: str, value: object) -> Any:
        """
        Set a parameter of the detector by its service.

        :param name: of the parameter
        :param value: its type decides the parameter's
        :return: rcl_interfaces/SetParametersResult
        """
        return self.finish(self._parameters.set_parameters([Parameter(name, value=value)]))[0]

    def get_parameter(self, name: str) -> Any:
        """
        Get a parameter of the detector by its service.

        :param name: of the parameter
        :return: its value, as rcl_interfaces/ParameterValue
        """
        return self.finish(self._parameters.get_parameters([name]))[0]

    def call(self, service_type: Any, service: str, request: Any) -> Any:
        """
        Call a service of the detector.

        :param service_type: its type
        :param service: without `~/`
        :param request: what to ask
        :return: the response
        """
        client = self.node.create_client(service_type, f'{self.detector}/{service}')
        self.wait_for(client.service_is_ready, service)
        future = client.call_async(request)
        self.wait_for(future.done, f'the answer of {service}')
        self.node.destroy_client(client)
        return future.result()

    def finish(self, future: Any) -> Any:
        """Wait for an answer of a parameter service and unpack it."""
        self.wait_for(future.done, 'an answer of a parameter service')
        response = future.result()
        return response.results if hasattr(response, 'results') else response.values


@contextmanager
def peer(namespace: str) -> Iterator[Peer]:
    """
    Join, and leave at the end.

    :param namespace: the detector's
    :return: the peer
    """
    one = Peer(namespace)
    try:
        yield one
    finally:
        with suppress(RuntimeError):
            one.close()


def plain_image(red: int = 0, green: int = 0, blue: int = 0, *, size_wh=(64, 48)) -> Image:
    """
    Build an image of one colour.

    :param red: 0..255, also the score of the tiny bundle's `red`, times 255
    :param green: likewise
    :param blue: likewise
    :param size_wh: px
    :return: rgb8
    """
    width_px, height_px = size_wh
    image_rgb = np.full((height_px, width_px, 3), (red, green, blue), np.uint8)
    return to_image(image_rgb, Header())
