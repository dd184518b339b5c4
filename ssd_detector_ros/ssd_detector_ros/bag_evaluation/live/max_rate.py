"""The highest rate at which a node drops next to nothing, by bisection like ros2_benchmark."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import itertools
import time

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.live.playing import connect, Connection, Replay, restamp
from ssd_detector_ros.bag_evaluation.scoring.opening import open_recordings
from ssd_detector_ros.bag_evaluation.scoring.options import Options

MAX_DROP_RATE = 0.05
_FIRST_HZ = 5.0
_HIGHEST_HZ = 1000.0
_PRECISION = 0.05
_MAX_FRAMES = 100
_LAST_ANSWER_S = 2.0


@dataclass(frozen=True)
class Trial:
    """
    One rate that was tried.

    :param rate_hz: of the images
    :param played: frames
    :param answered: of them
    """

    rate_hz: float
    played: int
    answered: int

    @property
    def drop_rate(self) -> float:
        """Share of the frames without an answer."""
        return 1 - self.answered / self.played

    @property
    def is_good(self) -> bool:
        """Whether next to nothing was dropped."""
        return self.drop_rate < MAX_DROP_RATE


def find_max_rate(options: Options, how: Replay, *, trial_s: float) -> list[Trial]:
    """
    Play the first frames of a recording at many rates.

    :param options: names the recording
    :param how: see Replay
    :param trial_s: length of a trial
    :return: in the order of trying; the highest good rate is the result
    :raises BagError: when there are no frames, or no node answers
    """
    (bag, *_) = open_recordings(options)
    messages = [frame.message.data for frame in itertools.islice(bag.reader.frames(), _MAX_FRAMES)]
    if not messages:
        raise BagError([f'{bag.recording.path}: {bag.images.name} has no images'])
    with connect(how, bag) as connection:
        stamps = itertools.count(1)

        def attempt(rate_hz: float) -> Trial:
            return _try(connection, messages, stamps, rate_hz=rate_hz, trial_s=trial_s)

        # The first inferences are slower than all others.
        attempt(_FIRST_HZ)
        return list(_bisect(attempt))


def best_rate_hz(trials: list[Trial]) -> float | None:
    """
    Find the result.

    :param trials: from find_max_rate
    :return: the highest good rate; None where even the lowest was too high
    """
    return max((trial.rate_hz for trial in trials if trial.is_good), default=None)


def _bisect(attempt: Callable[[float], Trial]) -> Iterator[Trial]:
    low_hz, high_hz = 0.0, _FIRST_HZ
    while high_hz <= _HIGHEST_HZ:
        trial = attempt(high_hz)
        yield trial
        if not trial.is_good:
            break
        low_hz, high_hz = high_hz, 2 * high_hz
    while high_hz - low_hz > max(_PRECISION * high_hz, 0.5):
        middle_hz = (low_hz + high_hz) / 2
        trial = attempt(middle_hz)
        yield trial
        if trial.is_good:
            low_hz = middle_hz
        else:
            high_hz = middle_hz


def _try(
    connection: Connection,
    messages: list[bytes],
    stamps: Iterator[int],
    *,
    rate_hz: float,
    trial_s: float,
) -> Trial:
    listener = connection.listener
    listener.forget()
    num_frames = max(round(rate_hz * trial_s), 10)
    used = set()
    start_s = time.monotonic()
    for index in range(num_frames):
        connection.check()
        # Each frame has a stamp of its own: answers to an earlier trial are told apart.
        stamp_ns = next(stamps)
        used.add(stamp_ns)
        serialized = restamp(messages[index % len(messages)], stamp_ns)
        listener.play(serialized, due_s=start_s + index / rate_hz)

    def count() -> int:
        return len(used.intersection(listener.stamps_ns))

    listener.wait(lambda: count() == num_frames, _LAST_ANSWER_S, connection.check)
    return Trial(rate_hz, num_frames, count())
