"""What is told of many times."""

import numpy as np

from ssd_detector_ros.bag_evaluation.scoring.latency import Latency, summarize


def test_each_figure_is_what_its_name_says():
    times_ms = np.random.default_rng(0).permutation(np.arange(101) ** 2)

    assert summarize(times_ms) == Latency(
        101,
        3350.0,
        50.0**2,
        95.0**2,
        99.0**2,
        100.0**2,
        sum(abs(int(a) - int(b)) for a, b in zip(times_ms, times_ms[1:], strict=False)) / 100,
    )


def test_one_time_has_no_jitter_and_none_is_nothing():
    assert summarize([4.0]) == Latency(1, 4.0, 4.0, 4.0, 4.0, 4.0, 0.0)
    assert summarize([]) is None
