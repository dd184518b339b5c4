"""Times of many frames in a few numbers."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True)
class Latency:
    """
    Times of frames, in ms.

    :param count: of frames
    :param mean_ms: their mean
    :param p50_ms: median
    :param p95_ms: percentile
    :param p99_ms: percentile
    :param max_ms: the longest
    :param jitter_ms: mean distance of one frame's time from that of the frame before
    """

    count: int
    mean_ms: float
    p50_ms: float
    p95_ms: float
    p99_ms: float
    max_ms: float
    jitter_ms: float

    def to_tree(self) -> dict[str, float]:
        """Give plain values, to the microsecond."""
        return {name: round(value, 3) for name, value in asdict(self).items()}


def summarize(times_ms: Sequence[float]) -> Latency | None:
    """
    Summarize times.

    :param times_ms: of frames, in order
    :return: None without any
    """
    if not len(times_ms):
        return None
    values = np.asarray(times_ms, np.float64)
    p50, p95, p99 = np.percentile(values, [50, 95, 99]).tolist()
    jitter = np.abs(np.diff(values)).mean() if len(values) > 1 else 0.0
    return Latency(
        len(values), float(values.mean()), p50, p95, p99, float(values.max()), float(jitter)
    )
