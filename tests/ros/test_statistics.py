"""Counting and timing of frames, with a clock that the test turns."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector_ros.statistics import STAGES, Statistics, Stopwatch


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def laps_ms(total):
    return dict.fromkeys(STAGES, 1.0) | {'total': total}


def test_counts_go_on_and_rates_are_of_the_last_period():
    clock = Clock()
    statistics = Statistics(clock)
    for _ in range(10):
        statistics.count_received()
        statistics.count_processed(laps_ms(5.0))
    clock.now_s += 2
    first = statistics.end_period()
    statistics.count_received()
    clock.now_s += 1
    second = statistics.end_period()
    assert (first.received_rate_hz, first.processed_rate_hz, first.period_s) == (5.0, 5.0, 2.0)
    assert (second.received_rate_hz, second.processed_rate_hz) == (1.0, 0.0)
    assert (second.num_received, second.num_processed) == (11, 10)
    assert second.latencies_ms == {}


def test_drops_are_counted_by_reason():
    statistics = Statistics()
    assert [statistics.count_drop(reason) for reason in ('late', 'bad', 'late')] == [1, 1, 2]
    assert statistics.end_period().drops == {'late': 2, 'bad': 1}


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=30))
def test_percentiles_are_of_the_frames_of_the_period(totals):
    statistics = Statistics()
    for total in totals:
        statistics.count_processed(laps_ms(total))
    p50, p95, p99 = statistics.end_period().latencies_ms['total']
    assert p50 == pytest.approx(np.median(totals))
    assert min(totals) <= p50 <= p95 <= p99 <= max(totals)


def test_a_stopwatch_times_laps_and_their_sum():
    clock = Clock()
    watch = Stopwatch(clock.now_s, clock)
    for stage, milliseconds in (('wait', 4), ('infer', 32)):
        clock.now_s += milliseconds / 1e3
        watch.lap(stage)
    assert watch.laps_ms() == pytest.approx({'wait': 4, 'infer': 32, 'total': 36})
