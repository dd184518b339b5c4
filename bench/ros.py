"""
The node against the core, on the same frame: throughput, and latency from image to detections.

Throughput: frames come faster than the detector is; the node's rate is divided by that of the core
in a process of its own, before and after. Latency: at a steady rate, from just before the image is
published to the arrival of its detections in the sender, less what the core takes.
"""

import argparse
from pathlib import Path
import subprocess
import sys
import tempfile
import time

from core import load_frame, RELEASED_BUNDLE
from node import Camera, NAMESPACE, running_node
import numpy as np
import rclpy

CORE_PROGRAM = """
import sys, time
import cv2, numpy as np
cv2.setNumThreads(1)
from ssd_detector import Detector
detector = Detector.from_bundle(sys.argv[1], num_threads=1, model=sys.argv[4])
image_rgb, end_s = np.load(sys.argv[2]), None
for _ in range(20):
    detector(image_rgb)
laps_ms, end_s = [], time.perf_counter() + float(sys.argv[3])
while (start_s := time.perf_counter()) < end_s:
    detector(image_rgb)
    laps_ms.append((time.perf_counter() - start_s) * 1e3)
print(len(laps_ms) / float(sys.argv[3]), np.median(laps_ms), np.percentile(laps_ms, 99))
"""


def main(argv: list[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: command line, without the program
    :return: 0, or 1 when the node does not answer
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--bundle', type=Path, default=RELEASED_BUNDLE)
    parser.add_argument('--model', default='auto', help='a model file of the bundle')
    parser.add_argument('--image', type=Path, help='a photograph; astronaut when not given')
    parser.add_argument('--seconds', type=float, default=15.0)
    parser.add_argument('--rate-hz', type=float, default=15.0)
    arguments = parser.parse_args(argv)
    image_rgb = load_frame(arguments.image)
    cores = [measure_core(arguments, image_rgb)]
    rclpy.init(args=[])
    try:
        with running_node(arguments.bundle, arguments.model):
            camera = Camera(image_rgb)
            if not camera.wait_for_node():
                print('bench-ros: the node does not answer', file=sys.stderr)
                return 1
            trips_ms = camera.run(seconds=arguments.seconds, period_s=1 / arguments.rate_hz)
            node_hz = camera.saturate(seconds=arguments.seconds, rate_hz=1.5 * cores[0][0])
            camera.node.destroy_node()
    finally:
        rclpy.try_shutdown()
    cores.append(measure_core(arguments, image_rgb))
    print_report(np.mean(cores, axis=0), trips_ms, node_hz)
    return 0


def measure_core(arguments: argparse.Namespace, image_rgb: np.ndarray) -> tuple[float, ...]:
    """
    Run the core alone.

    :param arguments: of the command line
    :param image_rgb: (H, W, 3) uint8
    :return: rate in Hz, p50 and p99 in ms
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, 'image.npy')
        np.save(path, image_rgb)
        words = [arguments.bundle, path, arguments.seconds / 2, arguments.model]
        command = [sys.executable, '-c', CORE_PROGRAM, *map(str, words)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(float(word) for word in output.split())


def print_report(core: np.ndarray, trips_ms: list[float], node_hz: float) -> None:
    """
    Print figures with what they are compared to.

    :param core: rate in Hz, p50 and p99 in ms
    :param trips_ms: from image to detections
    :param node_hz: frames answered per second, when they come faster than that
    """
    core_hz, core_p50_ms, core_p99_ms = core
    p50_ms, p99_ms = np.percentile(trips_ms, (50, 99))
    print(
        f'core alone   {core_hz:7.1f} Hz   p50 {core_p50_ms:6.1f} ms   p99 {core_p99_ms:6.1f} ms'
    )
    print(f'node         {node_hz:7.1f} Hz   {node_hz / core_hz:.1%} of the core (aim 90 %)')
    print(f'latency p50  {p50_ms:7.1f} ms   core p50 {p50_ms - core_p50_ms:+.1f} ms (aim +3)')
    print(f'latency p99  {p99_ms:7.1f} ms   core p50 {p99_ms - core_p50_ms:+.1f} ms (aim +10)')
    with Path('/proc/loadavg').open() as stream:
        print(f'load of the machine over the last minute: {stream.read().split()[0]}')


if __name__ == '__main__':
    started_s = time.monotonic()
    code = main()
    print(f'{NAMESPACE}: {time.monotonic() - started_s:.0f} s')
    sys.exit(code)
