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
    FramePolicy,
    Output,
    pair_outputs,
    score_streaming,
    simulate,
)
from ssd_detector_ros.parameters.static_settings import DROP_POLICIES
from ssd_detector_ros.threads.frame_queue import FrameQueue

PERIOD_NS = 100_000_000
# Few values, so that equal times are common.
TIMES = st.integers(0, 30)


def slow_pairs(stamps, outputs):
    """Ask at the time of each frame which output of another came last (arXiv:2005.10420, 3)."""
    paired = []
    for frame, stamp in enumerate(stamps):
        there = [
            output for output in outputs if output.arrival_ns <= stamp and output.source != frame
        ]
        latest = max(there, key=lambda output: (output.arrival_ns, output.source), default=None)
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
        image_of(output.source): found_at(output.source, score=scores[output.source])
        for output in outputs
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

    outputs = simulate(stamps, lambda frame: 0.0, FramePolicy('newest'))
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
        paired = pair_outputs(
            stamps, simulate(stamps, lambda frame: runtime_ms, FramePolicy('newest'))
        )
        return score_streaming(names, paired, detections, truths, labels=['cat'])

    # 4 px a frame: one frame late overlaps by 0.67, three by 0.25.
    assert score(50, 4).sap > 0.8 > 0.1 > score(250, 4).sap
    assert score(250, 0).sap > 0.8
    assert score(250, 4).ap == pytest.approx(1)


def sources_of(stamps, runtime_ms, policy):
    return [output.source for output in simulate(stamps, lambda frame: runtime_ms, policy)]


def test_each_policy_of_the_node_takes_its_frames():
    stamps = [PERIOD_NS * frame for frame in range(8)]
    everything = simulate(stamps, lambda frame: 250.0, FramePolicy('keep_all'))

    assert sources_of(stamps, 250.0, FramePolicy('newest')) == [0, 2, 5, 7]
    assert [output.source for output in everything] == list(range(8))
    assert everything[-1].arrival_ns == 8 * 250_000_000
    # At 250, 500 and 750 ms the oldest of two that wait is taken.
    assert sources_of(stamps, 250.0, FramePolicy('keep_all', queue_size=2)) == [0, 1, 4, 6, 7]
    # At 250 ms frame 1 is 150 ms old, at 500 ms frame 2 is 300 and frame 4 100 ms old.
    young = FramePolicy('max_age', max_age_ms=150)
    assert sources_of(stamps, 250.0, young) == [0, 1, 4, 6]


POLICIES = st.builds(
    FramePolicy,
    st.sampled_from(DROP_POLICIES),
    queue_size=st.integers(1, 4),
    max_age_ms=st.integers(0, 200).map(float),
)


@given(st.lists(TIMES, min_size=1, max_size=12), st.integers(0, 100), POLICIES)
def test_the_simulated_worker_takes_frames_as_the_queue_of_the_node_gives_them(
    gaps_ms, runtime_ms, policy
):
    """Millisecond by millisecond, with the queue of the node itself."""
    stamps_ms = np.cumsum(gaps_ms).tolist()
    queue, num_waiting = FrameQueue(1, capacity=policy.capacity), 0
    expected, free_ms = [], 0
    for now_ms in range(stamps_ms[-1] + (runtime_ms + 1) * len(stamps_ms)):
        for frame, stamp_ms in enumerate(stamps_ms):
            if stamp_ms == now_ms:
                num_waiting += not queue.put(0, frame)
        while num_waiting and free_ms <= now_ms:
            (frame,) = queue.take()
            num_waiting -= 1
            is_old = now_ms - stamps_ms[frame] > policy.max_age_ms
            if not (policy.drop_policy == 'max_age' and is_old):
                expected.append(frame)
                free_ms = now_ms + runtime_ms

    stamps_ns = [stamp_ms * 1_000_000 for stamp_ms in stamps_ms]
    assert sources_of(stamps_ns, float(runtime_ms), policy) == expected


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
