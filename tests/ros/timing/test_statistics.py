"""Counting and timing of frames, with a clock that the test turns."""

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector_ros.timing.statistics import MILESTONES, STAGES, Statistics, Stopwatch


class Clock:
    def __init__(self):
        self.now_s = 100.0

    def __call__(self):
        return self.now_s


def laps_ms(total):
    return dict.fromkeys(STAGES, 1.0) | {'total': total}


def test_counts_go_on_and_rates_are_of_the_last_period():
    clock = Clock()
    statistics = Statistics(1, clock=clock)
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
    statistics = Statistics(1)
    assert [statistics.count_drop(reason) for reason in ('late', 'bad', 'late')] == [1, 1, 2]
    assert statistics.end_period().drops == {'late': 2, 'bad': 1}


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=30))
def test_percentiles_are_of_the_frames_of_the_period(totals):
    statistics = Statistics(1)
    for total in totals:
        statistics.count_processed(laps_ms(total))
    p50, p95, p99 = statistics.end_period().latencies_ms['total']
    assert p50 == pytest.approx(np.median(totals))
    assert min(totals) <= p50 <= p95 <= p99 <= max(totals)


def test_percentiles_are_the_median_and_those_of_95_and_99_of_100():
    statistics = Statistics(1)
    for total in range(101):
        statistics.count_processed(laps_ms(float(total)), ages_ms=dict.fromkeys(MILESTONES, total))
    report = statistics.end_period()
    assert report.latencies_ms['total'] == pytest.approx((50, 95, 99))
    assert report.ages_ms['publish'] == pytest.approx((50, 95, 99))


def test_what_came_too_old_is_of_the_period():
    statistics = Statistics(1)
    for age_ms, is_late_arrival in ((100.0, False), (300.0, True), (900.0, True)):
        statistics.count_too_old(age_ms, is_late_arrival=is_late_arrival)
    first, second = statistics.end_period(), statistics.end_period()
    assert (first.too_old_ms, first.num_late_arrivals, first.drops) == (300.0, 2, {'too_old': 3})
    assert (second.too_old_ms, second.num_late_arrivals) == (None, 0)
    assert (second.drops, second.period_drops) == ({'too_old': 3}, {})


def test_nothing_is_counted_without_the_lock():
    """Executor, receiver and worker count at once."""
    statistics, were_locked = Statistics(1), []

    class Watched(Counter):
        def __setitem__(self, key, value):
            were_locked.append(statistics._lock.locked())
            super().__setitem__(key, value)

    class WatchedList(list):
        def __setitem__(self, index, value):
            were_locked.append(statistics._lock.locked())
            super().__setitem__(index, value)

        def append(self, value):
            were_locked.append(statistics._lock.locked())
            super().append(value)

    statistics._drops = Watched()
    for name in ('_received', '_processed'):
        setattr(statistics, name, WatchedList([0]))
    for name in ('_period_laps_ms', '_period_ages_ms', '_frames_of_inferences', '_too_old_ms'):
        setattr(statistics, name, WatchedList())
    statistics.count_received()
    statistics.count_drop('late')
    statistics.count_too_old(1.0, is_late_arrival=True)
    statistics.count_inference(1)
    statistics.count_processed(laps_ms(1.0), ages_ms={'receive': 1.0})
    assert were_locked == [True] * 8


def test_a_period_ends_for_all_figures_at_one_moment():
    """What is counted between the sum and the new beginning would be in neither period."""
    were_locked = []

    def clock():
        were_locked.append(statistics is not None and statistics._lock.locked())
        return 1.0

    statistics = None
    statistics = Statistics(1, clock=clock)
    statistics.end_period()
    assert were_locked == [False, True, True]


def test_a_stopwatch_times_laps_and_their_sum():
    clock = Clock()
    watch = Stopwatch(clock.now_s, clock=clock)
    for stage, milliseconds in (('wait', 4), ('infer', 32)):
        clock.now_s += milliseconds / 1e3
        watch.lap(stage)
    assert watch.laps_ms() == pytest.approx({'wait': 4, 'infer': 32, 'total': 36})


def test_a_stage_that_a_frame_comes_back_to_adds_up():
    clock = Clock()
    watch = Stopwatch(clock.now_s, clock=clock)
    for stage, milliseconds in (('wait', 4), ('convert', 2), ('wait', 3), ('infer', 8)):
        clock.now_s += milliseconds / 1e3
        watch.lap(stage)
    assert watch.laps_ms() == pytest.approx({'wait': 7, 'convert': 2, 'infer': 8, 'total': 17})


def test_frames_per_inference_is_a_mean_of_the_period():
    statistics = Statistics(1)
    statistics.count_inference(7)
    statistics.end_period()
    for num_frames in (1, 3, 2):
        statistics.count_inference(num_frames)
    assert statistics.end_period().frames_per_inference == pytest.approx(2)
    assert statistics.end_period().frames_per_inference == 0


def test_drops_of_the_period_are_told_apart():
    statistics = Statistics(1)
    statistics.count_drop('late')
    statistics.end_period()
    statistics.count_drop('bad')
    report = statistics.end_period()
    assert (report.drops, report.period_drops) == ({'late': 1, 'bad': 1}, {'bad': 1})


def test_cameras_are_counted_apart():
    statistics = Statistics(3)
    for camera_index in (0, 2, 2):
        statistics.count_received(camera_index)
    statistics.count_processed(laps_ms(1.0), camera_index=2)
    report = statistics.end_period()
    assert (report.received_by_camera, report.processed_by_camera) == ((1, 0, 2), (0, 0, 1))
    assert (report.num_received, report.num_processed) == (3, 1)


def test_the_age_is_taken_on_arrival_and_after_each_stage():
    clock = Clock()
    watch = Stopwatch(
        clock.now_s,
        age_ms=25.0,
        age_clock_ms=lambda: 25.0 + (clock.now_s - 100.0) * 1e3,
        clock=clock,
    )
    for stage in STAGES[:-1]:
        clock.now_s += 0.01
        watch.lap(stage)
    ages_ms = [watch.ages_ms[milestone] for milestone in MILESTONES]
    assert ages_ms == pytest.approx([25, 45, 55, 65, 75, 85])
    statistics = Statistics(1)
    statistics.count_processed(watch.laps_ms(), ages_ms=watch.ages_ms)
    assert statistics.end_period().ages_ms['publish'][0] == pytest.approx(85)


def test_a_frame_without_a_stamp_has_no_age():
    watch = Stopwatch(0.0, age_clock_ms=lambda: 1e9)
    watch.lap('infer')
    statistics = Statistics(1)
    statistics.count_processed(laps_ms(1.0), ages_ms=watch.ages_ms)
    assert statistics.end_period().ages_ms == {}
