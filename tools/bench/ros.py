"""
The node against the core, on the same frame: throughput, and latency from image to detections.

Both are processes that stay, and are measured in turn, round after round: what others do on the
machine meets both. Throughput: frames come a fifth faster than the detector is; the node's rate is
divided by that of the core just before. Latency: at a steady rate, from just before the image is
published to the arrival of its detections in the sender, less what the core takes at that rate: a
processor that rests between frames is slower than one that does not.
"""

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
import subprocess
import sys
import tempfile

from core import load_frame, RELEASED_BUNDLE
from node import Camera, running_node
import numpy as np
from numpy.typing import NDArray
import rclpy

# Arguments: bundle, image, model. For each line, of seconds and of a rate in Hz (0: as fast as it
# goes), it runs and answers with the time of each frame in ms.
CORE_PROGRAM = """
import sys, time
import cv2, numpy as np
cv2.setNumThreads(1)
from ssd_detector import Detector
from ssd_detector_ros.start.memory import keep_freed_memory
keep_freed_memory()
bundle, image, model = sys.argv[1:]
detector = Detector.from_bundle(bundle, num_threads=1, model=model)
image_rgb = np.load(image)
for line in sys.stdin:
    seconds, rate_hz = map(float, line.split())
    laps_ms, end_s = [], time.perf_counter() + seconds
    while (start_s := time.perf_counter()) < end_s:
        detector(image_rgb)
        laps_ms.append((time.perf_counter() - start_s) * 1e3)
        if rate_hz:
            time.sleep(max(start_s + 1 / rate_hz - time.perf_counter(), 0))
    print(*laps_ms, flush=True)
"""
CORE_WARM_UP_S = 1.0


@dataclass(frozen=True, eq=False)
class Round:
    """
    What was measured in turn.

    :param core_hz: of the core alone
    :param node_hz: frames answered per second, when they come faster than that
    :param core_ms: time of each frame at the steady rate
    :param trips_ms: from image to detections, of each frame at that rate
    """

    core_hz: float
    node_hz: float
    core_ms: NDArray[np.float64]
    trips_ms: NDArray[np.float64]


class Core:
    """
    The detector alone, in a process of its own.

    :param process: that runs CORE_PROGRAM
    """

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def run(self, *, seconds: float, rate_hz: float = 0.0) -> NDArray[np.float64]:
        """
        Detect, and wait for the end.

        :param seconds: how long
        :param rate_hz: of the frames; 0 for as fast as it goes
        :return: time of each frame in ms
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f'{seconds} {rate_hz}\n')
        self._process.stdin.flush()
        return np.array(self._process.stdout.readline().split(), np.float64)


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
    parser.add_argument('--rounds', type=int, default=8)
    parser.add_argument('--seconds', type=float, default=4.0, help='of each of the four parts')
    parser.add_argument('--rate-hz', type=float, default=15.0)
    arguments = parser.parse_args(argv)
    image_rgb = load_frame(arguments.image)
    rclpy.init(args=[])
    try:
        with (
            running_core(arguments, image_rgb) as core,
            running_node(arguments.bundle, arguments.model),
        ):
            camera = Camera(image_rgb)
            if not camera.wait_for_node():
                print('bench-ros: the node does not answer', file=sys.stderr)
                return 1
            rounds = [measure(core, camera, arguments) for _ in range(arguments.rounds)]
            camera.node.destroy_node()
    finally:
        rclpy.try_shutdown()
    print(f'model        {arguments.model}')
    print_throughput(rounds)
    print_latency(rounds)
    return 0


@contextmanager
def running_core(arguments: argparse.Namespace, image_rgb: NDArray[np.uint8]) -> Iterator[Core]:
    """
    Run the core, and warm it up.

    :param arguments: of the command line
    :param image_rgb: (H, W, 3) uint8
    """
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, 'image.npy')
        np.save(path, image_rgb)
        words = [CORE_PROGRAM, arguments.bundle, path, arguments.model]
        command = [sys.executable, '-c', *map(str, words)]
        pipe = subprocess.PIPE
        # Leaving ends its input, and so the program.
        with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as process:
            core = Core(process)
            core.run(seconds=CORE_WARM_UP_S)
            yield core


def measure(core: Core, camera: Camera, arguments: argparse.Namespace) -> Round:
    """
    Measure each once.

    :param core: idle
    :param camera: whose node is idle
    :param arguments: of the command line
    :return: the figures
    """
    seconds, rate_hz = arguments.seconds, arguments.rate_hz
    laps_ms = core.run(seconds=seconds)
    core_hz = 1e3 / float(np.mean(laps_ms))
    return Round(
        core_hz,
        camera.saturate(seconds=seconds, rate_hz=1.2 * core_hz),
        core.run(seconds=seconds, rate_hz=rate_hz),
        np.array(camera.run(seconds=seconds, period_s=1 / rate_hz)),
    )


def print_throughput(rounds: list[Round]) -> None:
    """
    Print rates.

    :param rounds: all
    """
    core_hz, node_hz = (
        np.median([getattr(measured, name) for measured in rounds])
        for name in ('core_hz', 'node_hz')
    )
    ratios = np.array([measured.node_hz / measured.core_hz for measured in rounds])
    print(
        f'throughput   core {core_hz:.1f} Hz, node {node_hz:.1f} Hz: {np.median(ratios):.1%} '
        f'(median of {len(ratios)} rounds, {ratios.min():.1%} to {ratios.max():.1%})'
    )


def print_latency(rounds: list[Round]) -> None:
    """
    Print latencies, and what they are more than the core's median.

    :param rounds: all
    """
    core_p50_ms, core_p99_ms = np.percentile(np.concatenate([r.core_ms for r in rounds]), (50, 99))
    p50_ms, p99_ms = np.percentile(np.concatenate([r.trips_ms for r in rounds]), (50, 99))
    print(f'core         p50 {core_p50_ms:.1f} ms, p99 {core_p99_ms:.1f} ms')
    print(f'image to detections p50 {p50_ms:.1f} ms: core p50 {p50_ms - core_p50_ms:+.1f} ms')
    print(f'image to detections p99 {p99_ms:.1f} ms: core p50 {p99_ms - core_p50_ms:+.1f} ms')
    with Path('/proc/loadavg').open() as stream:
        print(f'load of the machine over the last minute: {stream.read().split()[0]}')


if __name__ == '__main__':
    sys.exit(main())
