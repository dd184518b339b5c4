"""What the node counts and times: frames, drops by reason, latency and age at each stage."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from threading import Lock
import time

import numpy as np

Percentiles = Mapping[str, tuple[float, ...]]

# In the order of a frame's way; `total` is from arrival to publication.
STAGES = ('wait', 'convert', 'preprocess', 'infer', 'postprocess', 'publish', 'total')
# Where the age against the stamp is taken: on arrival, and at the end of each stage.
MILESTONES = ('receive', 'convert', 'preprocess', 'infer', 'postprocess', 'publish')
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Report:
    """
    Counts since the start, rates and latencies of the last period.

    :param received_by_camera: frames that arrived, in the order of the cameras
    :param processed_by_camera: frames that were answered, likewise
    :param drops: reason -> frames
    :param period_drops: the same, of the last period only
    :param latencies_ms: stage -> its percentiles, as in PERCENTILES; empty without a frame
    :param ages_ms: milestone -> percentiles; empty without a frame that had a stamp
    :param frames_per_inference: mean of the last period; 0 without an inference
    :param too_old_ms: age on arrival of the frames that were dropped as too old, p50 of the last
        period; None without one
    :param num_late_arrivals: how many of them were so when they arrived, in the last period: no
        detector is fast enough for these
    """

    received_by_camera: Sequence[int]
    processed_by_camera: Sequence[int]
    drops: Mapping[str, int]
    period_drops: Mapping[str, int]
    period_s: float
    received_rate_hz: float
    processed_rate_hz: float
    latencies_ms: Percentiles
    ages_ms: Percentiles
    frames_per_inference: float
    too_old_ms: float | None
    num_late_arrivals: int

    @property
    def num_received(self) -> int:
        """Frames that arrived since the start."""
        return sum(self.received_by_camera)

    @property
    def num_processed(self) -> int:
        """Frames that were answered since the start."""
        return sum(self.processed_by_camera)


class Stopwatch:
    """
    Times one frame.

    :param start_s: when it arrived, by the clock
    :param age_ms: how old it was then, against its stamp; None without a stamp
    :param age_clock_ms: gives the age now
    :param clock: in seconds
    """

    def __init__(
        self,
        start_s: float,
        *,
        age_ms: float | None = None,
        age_clock_ms: Callable[[], float] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._clock = clock
        self._start_s = self._lap_start_s = start_s
        self._age_clock_ms = age_clock_ms
        self._laps_ms: dict[str, float] = {}
        self.ages_ms: dict[str, float] = {} if age_ms is None else {'receive': age_ms}

    def lap(self, stage: str) -> None:
        """
        End a stage, or go on with one that the frame was in before.

        :param stage: one of STAGES
        """
        now_s = self._clock()
        lap_ms = (now_s - self._lap_start_s) * 1e3
        self._laps_ms[stage] = self._laps_ms.get(stage, 0.0) + lap_ms
        self._lap_start_s = now_s
        if self.ages_ms and self._age_clock_ms and stage in MILESTONES:
            self.ages_ms[stage] = self._age_clock_ms()

    def laps_ms(self) -> dict[str, float]:
        """
        End the frame.

        :return: stage -> its time, with `total`
        """
        return self._laps_ms | {'total': (self._lap_start_s - self._start_s) * 1e3}


class Statistics:
    """
    Counts frames; any thread may call it.

    :param num_cameras: at least 1
    :param clock: in seconds
    """

    def __init__(self, num_cameras: int, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._received, self._processed = [0] * num_cameras, [0] * num_cameras
        self._drops: Counter[str] = Counter()
        self._begin_period()

    def count_received(self, camera_index: int = 0) -> None:
        """
        Count a frame that arrived.

        :param camera_index: where from
        """
        with self._lock:
            self._received[camera_index] += 1

    def count_drop(self, reason: str) -> int:
        """
        Count a frame that is not answered.

        :param reason: such as `superseded`
        :return: how many there were for this reason
        """
        with self._lock:
            self._drops[reason] += 1
            return self._drops[reason]

    def count_too_old(self, age_ms: float, *, is_late_arrival: bool) -> None:
        """
        Count a frame that is not answered because it is too old.

        :param age_ms: on arrival
        :param is_late_arrival: whether that was too old already
        """
        self.count_drop('too_old')
        with self._lock:
            self._too_old_ms.append(age_ms)
            self._num_late_arrivals += is_late_arrival

    def count_inference(self, num_frames: int) -> None:
        """
        Count a run of the model.

        :param num_frames: that it ran on
        """
        with self._lock:
            self._frames_of_inferences.append(num_frames)

    def count_processed(
        self,
        laps_ms: Mapping[str, float],
        *,
        ages_ms: Mapping[str, float] | None = None,
        camera_index: int = 0,
    ) -> None:
        """
        Count a frame that was answered.

        :param laps_ms: stage -> its time
        :param ages_ms: milestone -> age; empty or None for a frame without a stamp
        :param camera_index: where from
        """
        with self._lock:
            self._processed[camera_index] += 1
            self._period_laps_ms.append(laps_ms)
            if ages_ms:
                self._period_ages_ms.append(ages_ms)

    def end_period(self) -> Report:
        """
        Sum up the period and begin a new one.

        :return: the sum
        """
        with self._lock:
            period_s = max(self._clock() - self._period_start_s, 1e-9)
            report = Report(
                received_by_camera=tuple(self._received),
                processed_by_camera=tuple(self._processed),
                drops=dict(self._drops),
                period_drops=dict(self._drops - self._drops_before),
                period_s=period_s,
                received_rate_hz=(sum(self._received) - self._received_before) / period_s,
                processed_rate_hz=len(self._period_laps_ms) / period_s,
                latencies_ms=_percentiles(self._period_laps_ms, STAGES),
                ages_ms=_percentiles(self._period_ages_ms, MILESTONES),
                frames_per_inference=float(np.mean(self._frames_of_inferences or [0])),
                too_old_ms=float(np.median(self._too_old_ms)) if self._too_old_ms else None,
                num_late_arrivals=self._num_late_arrivals,
            )
            self._begin_period()
            return report

    def _begin_period(self) -> None:
        self._period_start_s = self._clock()
        self._received_before = sum(self._received)
        self._drops_before = self._drops.copy()
        self._period_laps_ms: list[Mapping[str, float]] = []
        self._period_ages_ms: list[Mapping[str, float]] = []
        self._frames_of_inferences: list[int] = []
        self._too_old_ms: list[float] = []
        self._num_late_arrivals = 0


def _percentiles(
    frames_ms: Sequence[Mapping[str, float]], names: Sequence[str]
) -> dict[str, tuple[float, ...]]:
    if not frames_ms:
        return {}
    # In one call: each takes 0.1 ms, whatever it computes.
    columns = np.percentile(
        [[frame_ms[name] for name in names] for frame_ms in frames_ms], PERCENTILES, 0
    )
    return {name: tuple(map(float, column)) for name, column in zip(names, columns.T, strict=True)}
