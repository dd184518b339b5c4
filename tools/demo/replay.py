"""The node in a process of its own, and a bag played into it over DDS."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
import signal
import subprocess
import time

from photographs import Frame
import rclpy
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

START_TIMEOUT_S = 60.0
ANSWER_TIMEOUT_S = 10.0


class DemoError(Exception):
    """The demo can't go on; the text says why."""


@contextmanager
def running_node(namespace: str, image_topic: str, log: Path) -> Iterator[subprocess.Popen[bytes]]:
    """
    Start the node with its launch file; stop it at the end.

    :param namespace: of the node
    :param image_topic: what it subscribes to
    :param log: file that takes the output
    :return: the launch process
    """
    command = ['ros2', 'launch', 'ssd_detector_ros', 'detector.launch.py']
    command += [f'namespace:={namespace}', f'image_topic:={image_topic}']
    with log.open('wb') as output:
        process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(timeout=20)


def replay(
    frames: Sequence[Frame],
    process: subprocess.Popen[bytes],
    *,
    topics: tuple[str, str],
    period_s: float,
) -> dict[int, Detection2DArray]:
    """
    Publish frames at a steady rate and collect the node's answers.

    :param frames: in the order of publishing
    :param process: of the node; when it ends, so does the demo
    :param topics: of the images and of the detections
    :param period_s: between two frames
    :return: stamp in ns -> answer
    :raises DemoError: when the node does not come up, dies, or answers nothing
    """
    image_topic, detections_topic = topics
    rclpy.init(args=[])
    node = rclpy.create_node('demo')
    try:
        answers: dict[int, Detection2DArray] = {}
        node.create_subscription(
            Detection2DArray, detections_topic, lambda m: answers.update({_stamp_ns(m): m}), 100
        )
        publisher = node.create_publisher(Image, image_topic, qos_profile_sensor_data)
        is_up = _wait(
            node,
            process,
            lambda: publisher.get_subscription_count() and node.count_publishers(detections_topic),
            timeout_s=START_TIMEOUT_S,
        )
        if not is_up:
            raise DemoError(f'the node did not subscribe within {START_TIMEOUT_S:.0f} s')
        for frame in frames:
            publisher.publish(frame.cdr)
            _spin(node, period_s)
        _wait(node, process, lambda: len(answers) == len(frames), timeout_s=ANSWER_TIMEOUT_S)
        return answers
    finally:
        node.destroy_node()
        rclpy.try_shutdown()


def _wait(
    node: Node,
    process: subprocess.Popen[bytes],
    condition: Callable[[], object],
    *,
    timeout_s: float,
) -> bool:
    end = time.monotonic() + timeout_s
    while not condition():
        if process.poll() is not None:
            raise DemoError(f'the node ended with exit code {process.returncode}')
        if time.monotonic() > end:
            return False
        _spin(node, 0.05)
    return True


def _spin(node: Node, seconds: float) -> None:
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        rclpy.spin_once(node, timeout_sec=left)


def _stamp_ns(message: Detection2DArray) -> int:
    return message.header.stamp.sec * 10**9 + message.header.stamp.nanosec
