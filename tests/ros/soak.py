"""
Frames at 30 Hz into a node while everything changes: parameters, models, cameras, bad frames.

Run by tests for a while and by `make soak` for half an hour; exits with 1 when a frame that was
processed is not answered once, or when resident memory grows by more than 5 %.
"""

import argparse
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
import random
import sys
import tempfile
import time
from typing import Any

from sensor_msgs.msg import Image

from ssd_msgs.srv import LoadModel, SetEnabled, Snapshot
from tests.ros.made_images import plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import Peer, peer
from tests.tiny_bundle import write_tiny_bundle

RATE_HZ = 30.0
SIZE_WH = (320, 240)
# Chance of a disturbance between two frames.
DISTURBANCE = 1 / 20
MAX_GROWTH = 0.05
# Memory counts from here on: caches, pools and both models have been filled by then.
WARM_UP_SHARE = 0.25
# In less time the allocator has not settled.
MIN_SECONDS_OF_GROWTH = 40.0


@dataclass
class Soak:
    """
    What happened so far.

    :param num_good: good frames sent while a camera was there
    :param num_bad: bad ones
    """

    one: Peer
    bundles: tuple[Path, Path]
    choice: random.Random
    num_good: int = 0
    num_bad: int = 0
    num_refused: int = 0
    disturbances: dict[str, int] = field(default_factory=dict)
    pending: list[Any] = field(default_factory=list)
    rss_kib: list[int] = field(default_factory=list)

    def run(self, pid: int, seconds: float) -> None:
        """
        Send frames, and disturb.

        :param pid: of the node
        :param seconds: how long
        """
        image = plain_image(red=200, size_wh=SIZE_WH)
        start_s = next_s = time.monotonic()
        while (now_s := time.monotonic()) < start_s + seconds:
            if now_s - start_s > WARM_UP_SHARE * seconds:
                self.rss_kib.append(resident_kib(pid))
            if self.choice.random() < 0.02:
                self.one.send(bad_image(self.choice))
                self.num_bad += 1
            else:
                self.one.send(image)
                self.num_good += 1
            if self.choice.random() < DISTURBANCE:
                self._disturb()
            self.pending = [future for future in self.pending if not self._is_over(future)]
            next_s += 1 / RATE_HZ
            self.one.spin_until(next_s)

    def _disturb(self) -> None:
        kind = self.choice.choice(
            [self._change_parameter, self._swap_model, self._toggle, self._restart_camera]
            + [self._change_parameter] * 3
            + [self._snapshot]
        )
        self.disturbances[kind.__name__] = self.disturbances.get(kind.__name__, 0) + 1
        kind()

    def _change_parameter(self) -> None:
        name, value = self.choice.choice(
            [
                ('score_threshold', self.choice.random()),
                ('score_threshold', 7.0),
                ('max_detections', self.choice.randint(1, 50)),
                ('allowed_classes', self.choice.choice([[''], ['red'], ['purple']])),
                ('region_of_interest', [0.0, 0.0, self.choice.random(), 1.0]),
                ('ignore_polygons', self.choice.choice([[''], ['0,0 1,0 1,1'], ['x']])),
                ('max_rate_hz', self.choice.choice([0.0, 5.0, 25.0])),
                ('class_id_format', self.choice.choice(['label', 'index', 'other'])),
                ('only_if_subscribed', self.choice.random() < 0.5),
            ]
        )
        self.pending.append(self.one.set_parameter_later(name, value))

    def _swap_model(self) -> None:
        bundle = self.choice.choice([*map(str, self.bundles), '/no/such/bundle'])
        request = LoadModel.Request(bundle=bundle)
        self.pending.append(self.one.call_later('load_model', request))

    def _toggle(self) -> None:
        request = SetEnabled.Request(enabled=self.choice.random() < 0.8)
        self.pending.append(self.one.call_later('set_enabled', request))

    def _snapshot(self) -> None:
        self.pending.append(self.one.call_later('snapshot', Snapshot.Request()))

    def _restart_camera(self) -> None:
        self.one.drop_publisher()
        self.one.publisher()

    def _is_over(self, future: Any) -> bool:
        if not future.done():
            return False
        result = future.result()
        successes = [outcome.successful for outcome in getattr(result, 'results', [])]
        self.num_refused += not (all(successes) if successes else result.success)
        return True


def bad_image(choice: random.Random) -> Image:
    """
    Build an image that can't be used.

    :param choice: of what is wrong
    :return: the message
    """
    message = plain_image(size_wh=SIZE_WH)
    name, value = choice.choice(
        [('encoding', 'h264'), ('data', b'1234'), ('step', 1), ('height', 0), ('width', 10**6)]
    )
    setattr(message, name, value)
    return message


def resident_kib(pid: int) -> int:
    """Read the resident memory of a process."""
    lines = Path(f'/proc/{pid}/status').read_text().splitlines()
    return int(next(line for line in lines if line.startswith('VmRSS')).split()[1])


def growth_of(rss_kib: list[int]) -> float:
    """
    Compare the last tenth of the samples with the first.

    :param rss_kib: samples
    :return: by how much it is more, as a share
    """
    tenth = max(len(rss_kib) // 10, 1)
    first, last = sorted(rss_kib[:tenth])[tenth // 2], sorted(rss_kib[-tenth:])[tenth // 2]
    return last / first - 1


def main(argv: list[str] | None = None) -> int:
    """
    Run and judge.

    :param argv: command line, without the program
    :return: 0 when the node held out
    """
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--seconds', type=float, default=1800.0)
    parser.add_argument('--seed', type=int, default=0)
    parser.add_argument('--bundle', type=Path, help='another one to swap to')
    arguments = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(prefix='soak_') as scratch:
        return soak(Path(scratch), arguments)


def soak(folder: Path, arguments: argparse.Namespace) -> int:
    """
    Run in a folder.

    :param folder: of bundles, log and snapshots
    :param arguments: of the command line
    :return: 0 when the node held out
    """
    first = write_tiny_bundle(folder / 'first')
    second = arguments.bundle or write_tiny_bundle(folder / 'second')
    options = {'bundle': first, 'snapshot_folder': folder / 'snapshots'}
    command = detector_command('soak', **options)
    log = folder / 'log'
    with running(command, log) as process, peer('soak') as one:
        one.wait_until_active()
        # Answers of before the node knew its reader are lost, and no fault.
        before = settled_statistics(one)
        num_answers_before, _ = one.count_answers()
        work = Soak(one, (first, second), random.Random(arguments.seed))
        work.run(process.pid, arguments.seconds)
        one.call('set_enabled', SetEnabled.Request(enabled=True))
        latest = settled_statistics(one)
        num_answers, num_twice = one.count_answers()
        num_answers -= num_answers_before
        is_alive = process.poll() is None
    growth = growth_of(work.rss_kib)
    num_received = latest.frames_received - before.frames_received
    num_processed = latest.frames_processed - before.frames_processed
    drops = drops_of(latest) - drops_of(before)
    print(f'{work.num_good} good and {work.num_bad} bad frames sent, {work.disturbances}')
    print(f'{num_received} received, {num_processed} processed, {dict(drops)}')
    print(f'{num_answers} answers, {num_twice} of them a second one; {work.num_refused} refusals')
    print(f'resident {work.rss_kib[0]} -> {work.rss_kib[-1]} KiB, {growth:+.1%} after warm-up')
    print(f'exit code {process.returncode}')
    is_consistent = num_processed == num_answers and num_twice == 0
    has_all = num_received == num_processed + drops.total()
    has_grown = growth > MAX_GROWTH and arguments.seconds >= MIN_SECONDS_OF_GROWTH
    is_good = is_alive and is_consistent and has_all and not has_grown
    if not is_good or 'Traceback' in log.read_text() or process.returncode != 0:
        print('the node did not hold out; end of its log:')
        print('\n'.join(log.read_text().splitlines()[-20:]))
        return 1
    return 0


def settled_statistics(one: Peer) -> Any:
    """Wait until nothing is under way."""
    before = one.statistics()
    while (after := one.statistics()).frames_received != before.frames_received:
        before = after
    return after


def drops_of(statistics: Any) -> Counter[str]:
    """Count the frames that were dropped, by reason."""
    return Counter(dict(zip(statistics.drop_reasons, statistics.drop_counts, strict=True)))


if __name__ == '__main__':
    sys.exit(main())
