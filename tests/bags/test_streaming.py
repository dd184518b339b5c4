"""Streaming AP against a slow twin that is written from the definition."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector import Detections
from ssd_detector.evaluation.ground_truths import GroundTruths
from ssd_detector.evaluation.voc import evaluate_voc
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.scoring.runtimes import read_runtimes
from ssd_detector_ros.bag_evaluation.scoring.streaming import (
    Output,
    pair_outputs,
    score_streaming,
    simulate,
)

PERIOD_NS = 100_000_000
# Few values, so that equal times are common.
TIMES = st.integers(0, 30)


def slow_pairs(stamps, outputs):
    """Ask at the time of each frame which output of another came last (arXiv:2005.10420, 3)."""
    paired = []
    for frame, stamp in enumerate(stamps):
        there = [one for one in outputs if one.arrival_ns <= stamp and one.source != frame]
        latest = max(there, key=lambda one: (one.arrival_ns, one.source), default=None)
        paired.append(-1 if latest is None else latest.source)
    return paired


@st.composite
def runs(draw):
    stamps = sorted(draw(st.sets(TIMES, min_size=1, max_size=10)))
    sources = draw(st.lists(st.integers(0, len(stamps) - 1), max_size=10, unique=True))
    return stamps, [Output(source, draw(TIMES)) for source in sources]


def image_of(frame):
    return f'{frame:02}'


def boxes_at(frame, *, speed=10.0):
    x = 5 + speed * frame
    return np.array([[x, 5, x + 20, 25]], np.float32)


def truth_at(frame, *, speed=10.0):
    return GroundTruths(boxes_at(frame, speed=speed), np.array([1]), np.array([False]))


def found_at(frame, *, speed=10.0, score=0.5):
    return Detections(
        boxes_at(frame, speed=speed), np.array([score], np.float32), np.array([1]), ['cat']
    )


@given(runs())
def test_pairs_equal_those_of_the_slow_twin(run):
    stamps, outputs = run

    assert pair_outputs(stamps, outputs).tolist() == slow_pairs(stamps, outputs)


@given(runs(), st.lists(st.floats(0.1, 1), min_size=10, max_size=10))
def test_streaming_ap_equals_that_of_the_slow_twin(run, scores):
    stamps, outputs = run
    names = [image_of(frame) for frame in range(len(stamps))]
    detections = {
        image_of(one.source): found_at(one.source, score=scores[one.source]) for one in outputs
    }
    truths = {name: truth_at(frame) for frame, name in enumerate(names)}
    late = {
        name: detections.get(image_of(source), Detections.empty())
        for name, source in zip(names, slow_pairs(stamps, outputs), strict=True)
        if source >= 0
    }

    score = score_streaming(
        names, pair_outputs(stamps, outputs), detections, truths, labels=['cat']
    )

    assert score.sap == evaluate_voc(late, truths, labels=['cat']).mean_ap
    assert score.num_misses == slow_pairs(stamps, outputs).count(-1)


@given(st.integers(2, 12), st.floats(0, 15))
def test_an_infinitely_fast_detector_is_late_by_one_frame(count, speed):
    stamps = [PERIOD_NS * frame for frame in range(count)]
    names = [image_of(frame) for frame in range(count)]
    detections = {name: found_at(frame, speed=speed) for frame, name in enumerate(names)}
    truths = {name: truth_at(frame, speed=speed) for frame, name in enumerate(names)}
    shifted = {name: detections[before] for before, name in zip(names, names[1:], strict=False)}

    outputs = simulate(stamps, lambda frame: 0.0, 'newest')
    paired = pair_outputs(stamps, outputs)
    score = score_streaming(names, paired, detections, truths, labels=['cat'])

    assert paired.tolist() == list(range(-1, count - 1))
    assert score.ap == pytest.approx(1)
    assert score.sap == evaluate_voc(shifted, truths, labels=['cat']).mean_ap
    assert (score.num_misses, score.mean_lag_frames) == (1, 1)


def test_a_slow_detector_loses_where_things_move_and_only_there():
    stamps = [PERIOD_NS * frame for frame in range(40)]
    names = [image_of(frame) for frame in range(40)]

    def score(runtime_ms, speed):
        detections = {name: found_at(frame, speed=speed) for frame, name in enumerate(names)}
        truths = {name: truth_at(frame, speed=speed) for frame, name in enumerate(names)}
        paired = pair_outputs(stamps, simulate(stamps, lambda frame: runtime_ms, 'newest'))
        return score_streaming(names, paired, detections, truths, labels=['cat'])

    # 4 px a frame: one frame late overlaps by 0.67, three by 0.25.
    assert score(50, 4).sap > 0.8 > 0.1 > score(250, 4).sap
    assert score(250, 0).sap > 0.8
    assert score(250, 4).ap == pytest.approx(1)


def test_newest_skips_what_waited_and_keep_all_falls_behind():
    stamps = [PERIOD_NS * frame for frame in range(8)]

    newest = simulate(stamps, lambda frame: 250.0, 'newest')
    everything = simulate(stamps, lambda frame: 250.0, 'keep_all')

    assert [one.source for one in newest] == [0, 2, 5, 7]
    assert [one.source for one in everything] == list(range(8))
    assert everything[-1].arrival_ns == 8 * 250_000_000


@given(st.lists(TIMES, min_size=1, max_size=12), st.integers(0, 300))
def test_the_simulated_worker_takes_frames_as_the_queue_of_the_node_gives_them(gaps, runtime_ms):
    stamps = np.cumsum(np.array(gaps) * 10_000_000 + 1).tolist()
    outputs = simulate(stamps, lambda frame: float(runtime_ms), 'newest')

    # Frame by frame: whoever comes while the worker is busy replaces the one that waits.
    expected, waiting, free_ns = [], None, -1
    for frame, stamp in enumerate(stamps):
        while waiting is not None and free_ns < stamp:
            expected.append(waiting)
            free_ns, waiting = free_ns + runtime_ms * 1_000_000, None
        if free_ns <= stamp and waiting is None:
            expected.append(frame)
            free_ns = stamp + runtime_ms * 1_000_000
        else:
            waiting = frame
    if waiting is not None:
        expected.append(waiting)
    assert [one.source for one in outputs] == expected


def test_frames_without_ground_truth_are_not_scored_but_count_as_lag():
    names = [image_of(frame) for frame in range(6)]
    detections = {name: found_at(frame, speed=0) for frame, name in enumerate(names)}
    truths = {names[5]: truth_at(5, speed=0)}

    score = score_streaming(
        names, np.array([-1, 0, 0, 0, 3, 3]), detections, truths, labels=['cat']
    )

    assert (score.num_frames, score.mean_lag_frames, score.predecessor_share) == (1, 2, 0)


@pytest.mark.parametrize('text', ['0', '-1', 'nan', 'inf', 'missing.txt'])
def test_a_runtime_that_is_none_is_refused_in_words(text):
    with pytest.raises(BagError, match='expected ms above 0, or a file'):
        read_runtimes(text)


def test_runtimes_come_from_a_number_or_from_lines(tmp_path):
    path = tmp_path / 'runtimes.txt'
    path.write_text('10\n20.5\n\n')

    assert read_runtimes('33.3') == (33.3,)
    assert read_runtimes(str(path)) == (10, 20.5)
    path.write_text('10\nten\n')
    with pytest.raises(BagError, match="'ten' is no number of ms above 0"):
        read_runtimes(str(path))
