"""
Several cameras at one node: their frames one by one against those that wait in one inference.

Two nodes stay and are measured in turn, round after round, with more frames than they can take.
The bundle needs a free batch dimension (deploy.runtime.batch_size dynamic).
"""

import argparse
from contextlib import ExitStack
from pathlib import Path
import sys
import time

from core import load_frame
from node import running_node
import numpy as np
from numpy.typing import NDArray
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ssd_detector_ros.outputs.messages import to_image
from ssd_msgs.msg import DetectorStatistics

START_TIMEOUT_S = 30.0


class Rig:
    """
    Several cameras, and what their node says.

    :param namespace: of both
    :param topics: of the cameras
    :param image_rgb: (H, W, 3) uint8, the frame of each
    """

    def __init__(self, namespace: str, topics: list[str], image_rgb: NDArray[np.uint8]) -> None:
        self.node = rclpy.create_node('rig', namespace=namespace)
        self._message = to_image(image_rgb, Header())
        self._publishers = [
            self.node.create_publisher(Image, topic, qos_profile_sensor_data) for topic in topics
        ]
        self._periods: list[DetectorStatistics] = []
        self.node.create_subscription(
            DetectorStatistics, 'ssd_detector/statistics', self._periods.append, 10
        )
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self.node)

    def wait_for_node(self) -> bool:
        """
        Send frames until some are answered.

        :return: whether some were
        """
        end_s = time.monotonic() + START_TIMEOUT_S
        while not any(period.stages for period in self._periods) and time.monotonic() < end_s:
            self.run(seconds=1.0, rate_hz=5.0)
        return any(period.stages for period in self._periods)

    def run(self, *, seconds: float, rate_hz: float) -> tuple[float, float]:
        """
        Send at a steady rate.

        :param seconds: how long
        :param rate_hz: of each camera
        :return: answers per second; ms from arrival to publication, p50
        """
        next_s = time.monotonic()
        end_s = next_s + seconds
        num_before = len(self._periods)
        while time.monotonic() < end_s:
            for publisher in self._publishers:
                publisher.publish(self._message)
            next_s += 1 / rate_hz
            while (left_s := next_s - time.monotonic()) > 0:
                self._executor.spin_once(timeout_sec=left_s)
        # The first period began before.
        busy = [period for period in self._periods[num_before + 1 :] if period.stages]
        if not busy:
            return 0.0, 0.0
        total = list(busy[0].stages).index('total')
        rates_hz = [period.processed_rate_hz for period in busy]
        totals_ms = [period.latency_p50_ms[total] for period in busy]
        return float(np.mean(rates_hz)), float(np.median(totals_ms))


def main(argv: list[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: command line, without the program
    :return: 0, or 1 when a node does not answer
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('bundle', type=Path)
    parser.add_argument('--model', default='auto', help='a model file of the bundle')
    parser.add_argument('--num-cameras', type=int, default=4)
    parser.add_argument('--num-threads', type=int, default=2)
    parser.add_argument('--rate-hz', type=float, default=60.0, help='of each camera')
    parser.add_argument('--rounds', type=int, default=6)
    parser.add_argument('--seconds', type=float, default=5.0, help='of each part')
    arguments = parser.parse_args(argv)
    topics = [f'camera_{index}' for index in range(arguments.num_cameras)]
    common = {'num_threads': arguments.num_threads, 'image_topics': topics}
    image_rgb = load_frame(None)
    rclpy.init(args=[])
    try:
        with ExitStack() as nodes:
            for name, max_batch_size in (('one_by_one', 1), ('together', len(topics))):
                own = {'namespace': name, 'max_batch_size': max_batch_size}
                nodes.enter_context(
                    running_node(arguments.bundle, arguments.model, **own, **common)
                )
            rigs = [Rig(name, topics, image_rgb) for name in ('one_by_one', 'together')]
            if not all(rig.wait_for_node() for rig in rigs):
                print('bench: a node does not answer', file=sys.stderr)
                return 1
            figures = [
                [rig.run(seconds=arguments.seconds, rate_hz=arguments.rate_hz) for rig in rigs]
                for _ in range(arguments.rounds)
            ]
    finally:
        rclpy.try_shutdown()
    print_report(np.array(figures))
    return 0


def print_report(figures: NDArray[np.float64]) -> None:
    """
    Print rates and latencies.

    :param figures: rounds x (one by one, together) x (Hz, ms)
    """
    (alone_hz, alone_ms), (together_hz, together_ms) = np.median(figures, axis=0)
    ratios = figures[:, 1, 0] / figures[:, 0, 0]
    print(f'one by one   {alone_hz:.1f} Hz, arrival to publication p50 {alone_ms:.1f} ms')
    print(f'together     {together_hz:.1f} Hz, arrival to publication p50 {together_ms:.1f} ms')
    print(
        f'throughput   x{np.median(ratios):.2f} (median of {len(ratios)} rounds, '
        f'x{ratios.min():.2f} to x{ratios.max():.2f})'
    )


if __name__ == '__main__':
    sys.exit(main())
