"""
The node under attack: frames answered at their rate, latency, memory, and how soon it ends.

For each attack a node of the released bundle gets JPEGs of 640x480 at 15 Hz, first in peace, then
while another process attacks, and at last a SIGINT while it goes on. Run by `make bench-attacks`;
exits with 1 when frames stay without answer, memory exceeds its budget, or the end takes too long.
"""

import argparse
from collections.abc import Callable
from dataclasses import dataclass
import os
from pathlib import Path
import signal
import sys
import tempfile
import time

import cv2
import numpy as np
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import CompressedImage
from skimage import data
from vision_msgs.msg import Detection2DArray

from ssd_msgs.srv import LoadModel, Snapshot
from tests.hostile_bundles import expanding_model, replace_file, slow_model, write_hostile_bundle
from tests.picture_bombs import bmp_of, png_of
from tests.ros.processes import detector_command, running
from tests.ros.talking import Peer, peer
from tests.tiny_bundle import write_tiny_bundle

BUNDLE = Path(__file__).parents[2] / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'
NAMESPACE = 'attacked'
RATE_HZ = 15.0
# What a picture of as many pixels as are allowed takes is its own; see docs/security.md.
ALLOWED_GROWTH_MB = 1500.0
ALLOWED_END_S = 2.0
# Of the frames sent under an attack; decoding one picture at the limit takes the place of a few.
LEAST_ANSWERED = 0.5
WIDTHS = (12, 14, 16, 9, 8)

Attack = Callable[[Peer, Path], None]


@dataclass(frozen=True)
class Figures:
    """
    What was measured of one attack.

    :param answered: share of the frames sent, in peace and under attack
    :param p50_ms: from image to detections, in peace and under attack
    :param p99_ms: the same
    :param growth_mb: of the most resident memory under attack, less that in peace
    :param end_s: from SIGINT to the end
    """

    answered: tuple[float, float]
    p50_ms: tuple[float, float]
    p99_ms: tuple[float, float]
    growth_mb: float
    end_s: float

    def __str__(self) -> str:
        """Show them in columns."""
        cells = (
            '{:.0%} {:.0%}'.format(*self.answered),
            '{:.1f} {:.1f}'.format(*self.p50_ms),
            '{:.1f} {:.1f}'.format(*self.p99_ms),
            f'{self.growth_mb:.0f}',
            f'{self.end_s:.2f}',
        )
        return ''.join(f'{cell:>{width}}' for cell, width in zip(cells, WIDTHS, strict=True))

    @property
    def is_good(self) -> bool:
        """Whether the node held out."""
        return (
            self.answered[1] >= LEAST_ANSWERED
            and self.growth_mb <= ALLOWED_GROWTH_MB
            and self.end_s <= ALLOWED_END_S
        )


def send(content: bytes, rate_hz: float) -> Attack:
    """Send pictures as a camera does that the node listens to."""

    def attack(one: Peer, folder: Path) -> None:
        publisher = one.publisher('bombs/compressed', CompressedImage, qos_profile_sensor_data)
        message = CompressedImage(format='jpeg', data=content)
        while True:
            message.header.stamp.sec += 1
            publisher.publish(message)
            one.spin_until(time.monotonic() + 1 / rate_hz)

    return attack


def set_polygons(value: list[str]) -> Attack:
    """Set ignore_polygons, again as soon as it is answered."""

    def attack(one: Peer, folder: Path) -> None:
        while True:
            one.set_parameter('ignore_polygons', value)

    return attack


def load(write: Callable[[Path], object]) -> Attack:
    """Have a bundle loaded, again as soon as it is answered."""

    def attack(one: Peer, folder: Path) -> None:
        write(folder / 'bundle')
        while True:
            one.call('load_model', LoadModel.Request(bundle=str(folder / 'bundle')))

    return attack


def flood(one: Peer, folder: Path) -> None:
    """Ask a thousand times before the first answer."""
    while True:
        futures = [one.call_later('snapshot', Snapshot.Request(folder='/etc')) for _ in range(500)]
        futures += [
            one.call_later('load_model', LoadModel.Request(bundle='/no/such')) for _ in range(500)
        ]
        one.wait_for(lambda: all(future.done() for future in futures), 'a thousand answers')  # noqa: B023


def do_nothing(one: Peer, folder: Path) -> None:
    """Be there."""
    while True:
        one.spin_until(time.monotonic() + 1)


def hostile(wrong: str) -> Callable[[Path], object]:
    """Write a bundle that is wrong in one way."""
    return lambda path: write_hostile_bundle(path, wrong)


def with_model(content: Callable[[], bytes]) -> Callable[[Path], object]:
    """Write a bundle with another model."""
    return lambda path: replace_file(write_tiny_bundle(path), 'model.onnx', content())


def largest_png() -> bytes:
    """Give a picture of as many pixels as are allowed."""
    return cv2.imencode('.png', np.zeros((10_000, 10_000), np.uint8))[1].tobytes()


# What each makes is made by the attacker alone.
ATTACKS: dict[str, Callable[[], Attack]] = {
    'nothing': lambda: do_nothing,
    'BMP of 1 kB that claims 30000x30000': lambda: send(bmp_of(30_000, 30_000), RATE_HZ),
    'PNG that claims 40000x40000': lambda: send(png_of(40_000, 40_000), RATE_HZ),
    'PNG of 10000x10000, every 2 s': lambda: send(largest_png(), 0.5),
    'polygon of 1e6 corners': lambda: set_polygons([' '.join(['0.1,0.1'] * 10**6)]),
    '32 polygons of 256 corners': lambda: set_polygons(
        [' '.join(f'0.{n + 100},0.{n % 7}' for n in range(256))] * 32
    ),
    'bundle with a pipe': lambda: load(hostile('manifest.json is a pipe')),
    'bundle of aliases': lambda: load(hostile('aliases of aliases')),
    'model that takes 64 GB': lambda: load(with_model(expanding_model)),
    'model without end': lambda: load(with_model(slow_model)),
    '1000 requests at once': lambda: flood,
}


def measure(name: str, seconds: float, folder: Path) -> Figures:
    """
    Run a node, attack it and end it.

    :param name: one of ATTACKS
    :param seconds: in peace, and twice that under attack
    :param folder: for the log and what the attack writes
    :return: the figures
    """
    command = detector_command(
        NAMESPACE,
        bundle=BUNDLE,
        image_topics="['image','bombs']",
        image_transport='compressed',
        num_threads=1,
    )
    attacker_command = [sys.executable, '-m', __spec__.name, '--attack', name]
    with running(command, folder / 'log') as process, peer(NAMESPACE, is_reader=False) as one:
        camera = Camera(one)
        one.wait_for(camera.is_answered, 'a first answer')
        peace = camera.run(seconds)
        before_mb = read_peak_mb(process.pid)
        attacker_command += ['--folder', str(folder)]
        with running(attacker_command, folder / 'attacker') as attacker:
            one.wait_for(lambda: (folder / 'ready').exists(), 'the attacker')
            camera.run(1.0)
            attacked = camera.run(2 * seconds)
            growth_mb = read_peak_mb(process.pid) - before_mb
            assert attacker.poll() is None, 'the attacker ended'
            start_s = time.monotonic()
            process.send_signal(signal.SIGINT)
            process.wait(30.0)
            end_s = time.monotonic() - start_s
            os.killpg(attacker.pid, signal.SIGKILL)
    assert 'Traceback' not in (folder / 'log').read_text()
    percentiles = [np.percentile(trips_ms, (50, 99)) for _, trips_ms in (peace, attacked)]
    (peace_p50, peace_p99), (p50, p99) = percentiles
    return Figures((peace[0], attacked[0]), (peace_p50, p50), (peace_p99, p99), growth_mb, end_s)


class Camera:
    """
    Sends a photograph and hears the detections.

    :param one: who sends
    """

    def __init__(self, one: Peer) -> None:
        self._one = one
        image_rgb = cv2.resize(data.astronaut(), (640, 480))
        content = cv2.imencode('.jpg', image_rgb[..., ::-1])[1].tobytes()
        self._message = CompressedImage(format='jpeg', data=content)
        qos = qos_profile_sensor_data
        self._publisher = one.publisher('image/compressed', CompressedImage, qos)
        self._sent_s: dict[int, float] = {}
        self._trips_ms: list[float] = []
        one.node.create_subscription(
            Detection2DArray, f'{one.detector}/image/detections', self._on_detections, 10
        )

    def is_answered(self) -> bool:
        """Send one, and tell whether any was answered."""
        self._send()
        self._one.spin_until(time.monotonic() + 0.1)
        return bool(self._trips_ms)

    def run(self, seconds: float) -> tuple[float, list[float]]:
        """
        Send at the rate.

        :param seconds: how long
        :return: share of the frames answered, and ms from image to detections of each
        """
        self._one.spin_until(time.monotonic() + 0.5)
        self._sent_s.clear()
        self._trips_ms.clear()
        num_sent = round(seconds * RATE_HZ)
        next_s = time.monotonic()
        for _ in range(num_sent):
            self._send()
            next_s += 1 / RATE_HZ
            self._one.spin_until(next_s)
        self._one.spin_until(time.monotonic() + 1.0)
        return len(self._trips_ms) / num_sent, [*self._trips_ms]

    def _send(self) -> None:
        # Of today: a sender of 1970 would be called late.
        stamp = self._one.node.get_clock().now()
        self._message.header.stamp = stamp.to_msg()
        self._sent_s[stamp.nanoseconds] = time.perf_counter()
        self._publisher.publish(self._message)

    def _on_detections(self, message: Detection2DArray) -> None:
        stamp = message.header.stamp
        sent_s = self._sent_s.pop(stamp.sec * 10**9 + stamp.nanosec, None)
        if sent_s is not None:
            self._trips_ms.append((time.perf_counter() - sent_s) * 1e3)


def read_peak_mb(pid: int) -> float:
    """Read the most resident memory that a process has had."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    (peak,) = (line for line in lines if line.startswith('VmHWM'))
    return int(peak.split()[1]) / 1024


def attack(name: str, folder: Path) -> None:
    """
    Be the attacker, until killed.

    :param name: one of ATTACKS
    :param folder: for what it writes
    """
    go_on = ATTACKS[name]()
    with peer(NAMESPACE, is_reader=False) as one:
        one.wait_for_services()
        (folder / 'ready').touch()
        go_on(one, folder)


def main(argv: list[str] | None = None) -> int:
    """
    Measure all attacks, or be one.

    :param argv: command line, without the program
    :return: 0, or 1 when the node did not hold out
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=4.0, help='in peace; twice under attack')
    parser.add_argument('--only', action='append', choices=ATTACKS, help='(all)')
    parser.add_argument('--attack', choices=ATTACKS, help=argparse.SUPPRESS)
    parser.add_argument('--folder', type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args(argv)
    if arguments.attack:
        attack(arguments.attack, arguments.folder)
    columns = ('answered', 'p50, ms', 'p99, ms', 'MB more', 'end, s')
    heads = ''.join(f'{column:>{width}}' for column, width in zip(columns, WIDTHS, strict=True))
    print(f'{"in peace, then under attack":<38}{heads}')
    is_good = True
    for name in arguments.only or ATTACKS:
        with tempfile.TemporaryDirectory() as folder:
            figures = measure(name, arguments.seconds, Path(folder))
        print(f'{name:<38}{figures}{"" if figures.is_good else "  FAILED"}', flush=True)
        is_good &= figures.is_good
    return 0 if is_good else 1


if __name__ == '__main__':
    sys.exit(main())
