"""What the node counts and times: frames, drops by reason, latency of each stage."""

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from threading import Lock
import time

import numpy as np

# In the order of a frame's way; `total` is from arrival to publication.
STAGES = ('wait', 'convert', 'preprocess', 'infer', 'postprocess', 'publish', 'total')
PERCENTILES = (50, 95, 99)


@dataclass(frozen=True)
class Report:
    """
    Counts since the start, rates and latencies of the last period.

    :param drops: reason -> frames
    :param latencies_ms: stage -> its percentiles, as in PERCENTILES; empty without a frame
    """

    num_received: int
    num_processed: int
    drops: Mapping[str, int]
    period_s: float
    received_rate_hz: float
    processed_rate_hz: float
    latencies_ms: Mapping[str, tuple[float, ...]]


class Stopwatch:
    """
    Times one frame.

    :param start_s: when it arrived, by the clock
    :param clock: in seconds
    """

    def __init__(self, start_s: float, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._start_s = self._lap_start_s = start_s
        self._laps_ms: dict[str, float] = {}

    def lap(self, stage: str) -> None:
        """
        End a stage.

        :param stage: one of STAGES
        """
        now_s = self._clock()
        self._laps_ms[stage] = (now_s - self._lap_start_s) * 1e3
        self._lap_start_s = now_s

    def laps_ms(self) -> dict[str, float]:
        """
        End the frame.

        :return: stage -> its time, with `total`
        """
        return self._laps_ms | {'total': (self._lap_start_s - self._start_s) * 1e3}


class Statistics:
    """
    Counts frames; any thread may call it.

    :param clock: in seconds
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._lock = Lock()
        self._num_received = self._num_processed = 0
        self._drops: Counter[str] = Counter()
        self._begin_period()

    def count_received(self) -> None:
        """Count a frame that arrived."""
        with self._lock:
            self._num_received += 1

    def count_drop(self, reason: str) -> int:
        """
        Count a frame that is not answered.

        :param reason: such as `superseded`
        :return: how many there were for this reason
        """
        with self._lock:
            self._drops[reason] += 1
            return self._drops[reason]

    def count_processed(self, laps_ms: Mapping[str, float]) -> None:
        """
        Count a frame that was answered.

        :param laps_ms: stage -> its time
        """
        with self._lock:
            self._num_processed += 1
            self._period_laps_ms.append(laps_ms)

    def end_period(self) -> Report:
        """
        Sum up the period and begin a new one.

        :return: the sum
        """
        with self._lock:
            period_s = max(self._clock() - self._period_start_s, 1e-9)
            report = Report(
                num_received=self._num_received,
                num_processed=self._num_processed,
                drops=dict(self._drops),
                period_s=period_s,
                received_rate_hz=(self._num_received - self._received_before) / period_s,
                processed_rate_hz=len(self._period_laps_ms) / period_s,
                latencies_ms=_percentiles(self._period_laps_ms),
            )
            self._begin_period()
            return report

    def _begin_period(self) -> None:
        self._period_start_s = self._clock()
        self._received_before = self._num_received
        self._period_laps_ms: list[Mapping[str, float]] = []


def _percentiles(frames_laps_ms: list[Mapping[str, float]]) -> dict[str, tuple[float, ...]]:
    if not frames_laps_ms:
        return {}
    return {
        stage: tuple(
            float(value)
            for value in np.percentile([laps_ms[stage] for laps_ms in frames_laps_ms], PERCENTILES)
        )
        for stage in STAGES
    }
