"""
The node against the core, on the same frame: throughput, and latency from image to detections.

Throughput: frames come a fifth faster than the detector is; the node's rate is divided by that of
the core in a process of its own, before and after. Latency: at a steady rate, from just before the
image is published to the arrival of its detections in the sender, less what the core takes at that
rate: a processor that rests between frames is slower than one that does not.
"""

import argparse
from pathlib import Path
import subprocess
import sys
import tempfile

from core import load_frame, RELEASED_BUNDLE
from node import Camera, running_node
import numpy as np
import rclpy

# Arguments: bundle, image, seconds, model, rate in Hz (0: as fast as it goes).
CORE_PROGRAM = """
import sys, time
import cv2, numpy as np
cv2.setNumThreads(1)
from ssd_detector import Detector
from ssd_detector_ros.process import keep_freed_memory
keep_freed_memory()
bundle, image, seconds, model, rate_hz = sys.argv[1:]
detector = Detector.from_bundle(bundle, num_threads=1, model=model)
image_rgb = np.load(image)
for _ in range(20):
    detector(image_rgb)
laps_ms, end_s = [], time.perf_counter() + float(seconds)
while (start_s := time.perf_counter()) < end_s:
    detector(image_rgb)
    laps_ms.append((time.perf_counter() - start_s) * 1e3)
    if float(rate_hz):
        time.sleep(max(start_s + 1 / float(rate_hz) - time.perf_counter(), 0))
print(len(laps_ms) / float(seconds), np.median(laps_ms), np.percentile(laps_ms, 99))
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
    fast = [measure_core(arguments, image_rgb)]
    paced = [measure_core(arguments, image_rgb, rate_hz=arguments.rate_hz)]
    rclpy.init(args=[])
    try:
        with running_node(arguments.bundle, arguments.model):
            camera = Camera(image_rgb)
            if not camera.wait_for_node():
                print('bench-ros: the node does not answer', file=sys.stderr)
                return 1
            trips_ms = camera.run(seconds=arguments.seconds, period_s=1 / arguments.rate_hz)
            node_hz = camera.saturate(seconds=arguments.seconds, rate_hz=1.2 * fast[0][0])
            camera.node.destroy_node()
    finally:
        rclpy.try_shutdown()
    fast.append(measure_core(arguments, image_rgb))
    paced.append(measure_core(arguments, image_rgb, rate_hz=arguments.rate_hz))
    print_throughput(np.mean(fast, axis=0)[0], node_hz)
    print_latency(np.mean(paced, axis=0)[1:], trips_ms)
    return 0


def measure_core(
    arguments: argparse.Namespace, image_rgb: np.ndarray, *, rate_hz: float = 0.0
) -> tuple[float, ...]:
    """
    Run the core alone.

    :param arguments: of the command line
    :param image_rgb: (H, W, 3) uint8
    :param rate_hz: of the frames; 0 for as fast as it goes
    :return: rate in Hz, p50 and p99 in ms
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, 'image.npy')
        np.save(path, image_rgb)
        words = [arguments.bundle, path, arguments.seconds / 2, arguments.model, rate_hz]
        command = [sys.executable, '-c', CORE_PROGRAM, *map(str, words)]
        output = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return tuple(float(word) for word in output.split())


def print_throughput(core_hz: float, node_hz: float) -> None:
    """
    Print rates.

    :param core_hz: of the core alone
    :param node_hz: frames answered per second, when they come faster than that
    """
    print(f'throughput   core {core_hz:.1f} Hz, node {node_hz:.1f} Hz: {node_hz / core_hz:.1%}')


def print_latency(core_ms: np.ndarray, trips_ms: list[float]) -> None:
    """
    Print latencies, and what they are more than the core's median.

    :param core_ms: p50 and p99
    :param trips_ms: from image to detections
    """
    core_p50_ms, core_p99_ms = core_ms
    p50_ms, p99_ms = np.percentile(trips_ms, (50, 99))
    print(f'core         p50 {core_p50_ms:.1f} ms, p99 {core_p99_ms:.1f} ms')
    print(f'image to detections p50 {p50_ms:.1f} ms: core p50 {p50_ms - core_p50_ms:+.1f} ms')
    print(f'image to detections p99 {p99_ms:.1f} ms: core p50 {p99_ms - core_p50_ms:+.1f} ms')
    with Path('/proc/loadavg').open() as stream:
        print(f'load of the machine over the last minute: {stream.read().split()[0]}')


if __name__ == '__main__':
    sys.exit(main())
