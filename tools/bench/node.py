"""
What the node adds to the core: 640x480 frames over DDS at a steady rate, one inference thread.

The node times its own stages (~/statistics); the way there and back is timed here, as the sender
of the images sees it. The released bundle is used, or the one that is given.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
import signal
import struct
import subprocess
import sys
import tempfile
import time

from core import load_frame, RELEASED_BUNDLE
import numpy as np
from numpy.typing import NDArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray
import yaml

from ssd_detector_ros.outputs.messages import to_image
from ssd_msgs.msg import DetectorStatistics

NAMESPACE = 'bench'
CORE_STAGES = ('preprocess', 'infer', 'postprocess')
START_TIMEOUT_S = 30.0


def main(argv: list[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: command line, without the program
    :return: 0, or 1 when the node does not answer
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--bundle', type=Path, default=RELEASED_BUNDLE)
    parser.add_argument('--image', type=Path, help='a photograph; astronaut when not given')
    parser.add_argument('--seconds', type=float, default=10.0)
    parser.add_argument('--rate-hz', type=float, default=10.0)
    arguments = parser.parse_args(argv)
    image_rgb = load_frame(arguments.image)
    rclpy.init(args=[])
    try:
        with running_node(arguments.bundle):
            camera = Camera(image_rgb)
            if not camera.wait_for_node():
                print('bench: the node does not answer', file=sys.stderr)
                return 1
            camera.run(seconds=arguments.seconds, period_s=1 / arguments.rate_hz)
            camera.print_report()
            camera.node.destroy_node()
    finally:
        rclpy.try_shutdown()
    return 0


@contextmanager
def running_node(
    bundle: Path, model: str = 'auto', *, namespace: str = NAMESPACE, **parameters: object
) -> Iterator[None]:
    """
    Run the node as a process of its own.

    :param bundle: its bundle
    :param model: a file of it
    :param namespace: of the node
    :param parameters: of the node; one thread unless given, as in bench/core.py
    """
    command = ['ros2', 'launch', 'ssd_detector_ros', 'detector.launch.py', 'log_level:=warn']
    command += [f'namespace:={namespace}', f'bundle:={bundle}']
    with tempfile.NamedTemporaryFile('w', suffix='.yaml') as file:
        own = {'num_threads': 1, 'model': model} | parameters
        yaml.safe_dump({'/**': {'ros__parameters': own}}, file)
        file.flush()
        command.append(f'params_file:={file.name}')
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
        with _ending(process):
            yield


@contextmanager
def _ending(process: subprocess.Popen[bytes]) -> Iterator[None]:
    try:
        yield
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=20)


class Camera:
    """
    Publishes one frame again and again, and hears what the node says.

    :param image_rgb: (H, W, 3) uint8
    """

    def __init__(self, image_rgb: NDArray[np.uint8]) -> None:
        self.node: Node = rclpy.create_node('camera', namespace=NAMESPACE)
        self._message = to_image(image_rgb, Header())
        self._publisher = self.node.create_publisher(Image, 'image', qos_profile_sensor_data)
        own = f'/{NAMESPACE}/ssd_detector'
        # Serialized: what the sender does with the detections is not the node's time.
        self.node.create_subscription(
            Detection2DArray, f'{own}/detections', self._on_detections, 10, raw=True
        )
        self._periods: list[DetectorStatistics] = []
        self.node.create_subscription(
            DetectorStatistics, f'{own}/statistics', self._periods.append, 10
        )
        # rclpy.spin_once would add the node to an executor and take it away each time.
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)
        self._num_sent = 0
        self._sent_s: dict[int, float] = {}
        self._trips_ms: list[float] = []
        self._arrivals_s: list[float] = []

    def wait_for_node(self) -> bool:
        """
        Send frames until one is answered.

        :return: whether one was
        """
        end_s = time.monotonic() + START_TIMEOUT_S
        while not self._trips_ms and time.monotonic() < end_s:
            self._send()
            self._spin(0.1)
        return bool(self._trips_ms)

    def run(self, *, seconds: float, period_s: float) -> list[float]:
        """
        Send at a steady rate; what was measured before is forgotten.

        :param seconds: how long
        :param period_s: between two frames
        :return: ms from image to detections, of each frame that was answered
        """
        self._spin(1.0)
        for measured in (self._periods, self._trips_ms, self._arrivals_s, self._sent_s):
            measured.clear()
        next_s = time.monotonic()
        for _ in range(round(seconds / period_s)):
            self._send()
            next_s += period_s
            self._spin(next_s - time.monotonic())
        self._spin(1.0)
        return list(self._trips_ms)

    def saturate(self, *, seconds: float, rate_hz: float) -> float:
        """
        Send faster than the node is.

        :param seconds: how long
        :param rate_hz: of the frames
        :return: frames answered per second
        """
        self.run(seconds=seconds, period_s=1 / rate_hz)
        return (len(self._arrivals_s) - 1) / (self._arrivals_s[-1] - self._arrivals_s[0])

    def print_report(self) -> None:
        """Print the time of each stage, and what the node and DDS add to the core's."""
        busy = [period for period in self._periods if period.stages]
        rows_ms = np.array([period.latency_p50_ms for period in busy])
        by_stage = dict(zip(busy[0].stages, np.median(rows_ms, axis=0), strict=True))
        print(f'640x480 over DDS: {len(self._trips_ms)} of {len(self._sent_s)} frames answered')
        for stage, p50_ms in by_stage.items():
            print(f'{stage:<12} p50 {p50_ms:7.3f} ms')
        core_ms = sum(by_stage[stage] for stage in CORE_STAGES)
        trip_ms = float(np.median(self._trips_ms))
        print(f'node adds    p50 {by_stage["total"] - core_ms:7.3f} ms to the core')
        print(f'and DDS      p50 {trip_ms - by_stage["total"]:7.3f} ms, there and back')

    def _send(self) -> None:
        self._num_sent += 1
        self._message.header.stamp.sec = self._num_sent
        self._sent_s[self._num_sent] = time.perf_counter()
        self._publisher.publish(self._message)

    def _on_detections(self, serialized: bytes) -> None:
        now_s = time.perf_counter()
        (number,) = struct.unpack_from('<i', serialized, 4)  # The seconds of the stamp.
        if number in self._sent_s:
            self._trips_ms.append((now_s - self._sent_s[number]) * 1e3)
            self._arrivals_s.append(now_s)

    def _spin(self, seconds: float) -> None:
        end_s = time.monotonic() + seconds
        while (left_s := end_s - time.monotonic()) > 0:
            self._executor.spin_once(timeout_sec=left_s)


if __name__ == '__main__':
    sys.exit(main())
