"""Hand-over of frames between threads, the worker behind it, and the limit before it."""

from threading import Event, Thread
from types import SimpleNamespace

from hypothesis import given
from hypothesis import strategies as st
import pytest
from rclpy.subscription import Subscription

from ssd_detector_ros.threads.background import InBackground, waker_of
from ssd_detector_ros.threads.frame_queue import FrameQueue
from ssd_detector_ros.threads.polled_group import PolledGroup
from ssd_detector_ros.threads.worker import Worker
from ssd_detector_ros.timing.rate_limit import RateLimit
from tests.patience import wait_for, wait_for_end, wait_for_event


def fail(error):
    raise AssertionError('the worker failed') from error


def test_the_newest_frame_is_taken_and_older_ones_are_gone():
    frames = FrameQueue(1, capacity=1)
    assert [frames.put(0, number) for number in (1, 2, 3)] == [False, True, True]
    assert frames.take() == [3]
    assert frames.put(0, 4) is False


def test_take_waits_for_a_frame():
    frames, taken = FrameQueue(1, capacity=1), []
    taker = Thread(target=lambda: taken.append(frames.take()), daemon=True)
    taker.start()
    frames.put(0, 'frame')
    wait_for_end(taker, 'take() to return')
    assert taken == [['frame']]


def test_close_ends_the_waiting_now_and_later():
    frames, taken = FrameQueue(1, capacity=1), []
    taker = Thread(target=lambda: taken.append(frames.take()), daemon=True)
    taker.start()
    frames.close()
    wait_for_end(taker, 'take() to return')
    frames.put(0, 'late')
    assert taken == [[]]
    assert frames.take() == []


def test_close_ends_the_waiting_of_everyone():
    frames, taken = FrameQueue(1, capacity=1), []
    takers = [Thread(target=lambda: taken.append(frames.take()), daemon=True) for _ in range(3)]
    for taker in takers:
        taker.start()
    wait_for(lambda: len(frames._condition._waiters) == len(takers), 'all to wait')
    frames.close()
    for taker in takers:
        wait_for_end(taker, 'take() to return')
    assert taken == [[]] * 3


def test_the_worker_goes_on_with_the_newest_frame_after_a_slow_one():
    seen, is_busy, may_go_on, is_done = [], Event(), Event(), Event()

    def process(frames):
        seen.extend(frames)
        is_busy.set()
        wait_for_event(may_go_on, 'the test to let the worker go on')
        if len(seen) == 2:
            is_done.set()

    frames = FrameQueue(1, capacity=1)
    worker = Worker(frames, process, on_failure=fail)
    frames.put(0, 1)
    wait_for_event(is_busy, 'the worker to begin')
    assert [frames.put(0, frame) for frame in (2, 3, 4)] == [False, True, True]
    may_go_on.set()
    wait_for_event(is_done, 'the worker to take the newest frame')
    worker.stop()
    assert seen == [1, 4]


def test_a_worker_that_nobody_stops_keeps_no_process_alive():
    worker = Worker(FrameQueue(1, capacity=1), fail, on_failure=fail)
    assert worker._thread.daemon
    worker.stop()


def test_a_worker_takes_one_frame_at_a_time_unless_it_is_told_otherwise():
    for options, expected in (({}, [1, 1]), ({'max_batch_size': 2}, [2])):
        frames, sizes, is_done = FrameQueue(2, capacity=1), [], Event()
        for camera in range(2):
            frames.put(camera, camera)

        def process(batch, sizes=sizes, is_done=is_done):
            sizes.append(len(batch))
            if sum(sizes) == 2:
                is_done.set()

        worker = Worker(frames, process, on_failure=fail, **options)
        wait_for_event(is_done, 'both frames to be processed')
        worker.stop()
        assert sizes == expected


def test_a_worker_may_stop_itself():
    failures, frames = [], FrameQueue(1, capacity=1)
    worker = Worker(frames, lambda _: worker.stop(), on_failure=failures.append)
    frames.put(0, 'frame')
    wait_for_end(worker._thread, 'the worker to end')
    assert failures == []


def test_stop_lets_the_frame_at_hand_finish():
    is_busy, may_go_on, finished = Event(), Event(), []

    def process(frames):
        is_busy.set()
        wait_for_event(may_go_on, 'the test to let the worker go on')
        finished.extend(frames)

    frames = FrameQueue(1, capacity=1)
    worker = Worker(frames, process, on_failure=fail)
    frames.put(0, 'frame')
    wait_for_event(is_busy, 'the worker to begin')
    stopper = Thread(target=worker.stop, daemon=True)
    stopper.start()
    wait_for(lambda: frames._is_closed, 'stop() to begin')
    # Long enough for it to return, if it did not wait.
    stopper.join(0.1)
    assert stopper.is_alive()
    may_go_on.set()
    wait_for_end(stopper, 'stop() to return')
    assert finished == ['frame']


def test_an_unforeseen_exception_is_handed_over_and_not_lost():
    caught, is_caught = [], Event()

    def process(frame):
        raise ZeroDivisionError(frame)

    def on_failure(error):
        caught.append(error)
        is_caught.set()

    frames = FrameQueue(1, capacity=1)
    worker = Worker(frames, process, on_failure=on_failure)
    frames.put(0, 'frame')
    wait_for_event(is_caught, 'the exception of the worker')
    worker.stop()
    assert isinstance(caught[0], ZeroDivisionError)


@given(st.lists(st.integers(0, 2), max_size=30), st.integers(1, 4))
def test_cameras_take_turns_and_each_keeps_its_newest_in_order(sources, capacity):
    frames, kept = FrameQueue(3, capacity=capacity), {0: [], 1: [], 2: []}
    for number, camera in enumerate(sources):
        assert frames.put(camera, (camera, number)) == (len(kept[camera]) == capacity)
        kept[camera] = [*kept[camera], (camera, number)][-capacity:]
    total = sum(len(waiting) for waiting in kept.values())
    taken = [frame for _ in range(total) for frame in frames.take()]
    for camera, waiting in kept.items():
        assert [frame for frame in taken if frame[0] == camera] == waiting
    # While all of several cameras have frames, none is served twice in a row.
    shortest = min(len(waiting) for waiting in kept.values())
    for start in range(0, 3 * shortest, 3):
        assert {camera for camera, _ in taken[start : start + 3]} == {0, 1, 2}


@given(st.lists(st.integers(0, 3), max_size=30), st.integers(1, 5))
def test_a_batch_has_a_frame_of_each_camera_that_waits_beginning_with_whose_turn_it_is(
    sources, limit
):
    frames, waiting = FrameQueue(4, capacity=30), [[] for _ in range(4)]
    for number, camera in enumerate(sources):
        frames.put(camera, (camera, number))
        waiting[camera].append((camera, number))
    turn = 0
    while any(waiting):
        turns = [camera % 4 for camera in range(turn, turn + 4) if waiting[camera % 4]]
        batch = frames.take(limit)
        assert batch == [waiting[camera].pop(0) for camera in turns[:limit]]
        turn = batch[-1][0] + 1


@given(st.lists(st.floats(0, 0.5), min_size=1, max_size=100), st.floats(1, 50))
def test_a_rate_limit_is_kept_over_any_time(gaps_s, max_rate_hz):
    now_s, num_admitted = [0.0], 0
    limit = RateLimit(lambda: now_s[0])
    for gap_s in gaps_s:
        now_s[0] += gap_s
        num_admitted += limit.admits(max_rate_hz)
    # One at the start, and half a period of the grid that may be caught up.
    assert num_admitted <= now_s[0] * max_rate_hz + 2


def test_a_limit_between_the_camera_rate_and_its_half_is_used_up():
    now_s = [0.0]
    limit, num_admitted = RateLimit(lambda: now_s[0]), 0
    for _ in range(300):
        now_s[0] += 1 / 30
        num_admitted += limit.admits(20.0)
    assert 198 <= num_admitted <= 202


def test_a_higher_limit_counts_at_once():
    now_s = [0.0]
    limit = RateLimit(lambda: now_s[0])
    assert limit.admits(0.01)
    now_s[0] += 1.0
    assert not limit.admits(0.01)
    now_s[0] += 0.11
    assert not limit.admits(10.0)
    now_s[0] += 0.11
    assert limit.admits(10.0)


def test_without_a_limit_every_frame_is_admitted():
    limit = RateLimit(lambda: 0.0)
    assert all(limit.admits(0.0) for _ in range(5))


def test_a_pause_is_not_made_up_for():
    now_s = [0.0]
    limit = RateLimit(lambda: now_s[0])
    assert limit.admits(10.0)
    now_s[0] += 60.0
    admitted = [limit.admits(10.0) for _ in range(5)]
    assert admitted == [True, False, False, False, False]


@pytest.mark.parametrize(('later_s', 'is_admitted'), [(0.049, False), (0.051, True)])
def test_after_a_pause_half_a_period_passes_at_least(later_s, is_admitted):
    now_s = [0.0]
    limit = RateLimit(lambda: now_s[0])
    now_s[0] = 60.0
    assert limit.admits(10.0)
    now_s[0] += later_s
    assert limit.admits(10.0) == is_admitted


def run_to_end(background):
    """Do as an executor that is woken: ask again until there is a result."""
    steps = background.__await__()
    while True:
        try:
            next(steps)
        except StopIteration as end:
            return end.value


def test_work_in_the_background_gives_its_result_after_waking_the_executor():
    is_awake = Event()
    background = InBackground(lambda: 42, on_end=is_awake.set, what='a sum')
    wait_for_event(is_awake, 'the end of the work')
    assert run_to_end(background) == 42


def test_an_error_in_the_background_is_raised_where_it_is_awaited():
    with pytest.raises(ZeroDivisionError):
        run_to_end(InBackground(lambda: 1 / 0, on_end=lambda: None, what='a sum'))


def test_who_waits_is_woken_while_there_is_an_executor():
    woken = []
    node = SimpleNamespace(executor=SimpleNamespace(wake=lambda: woken.append('executor')))
    wake = waker_of(node)
    wake()
    node.executor = None
    wake()
    assert woken == ['executor']


def test_entities_are_looked_at_shortly_after_they_were_opened_and_subscriptions_never():
    now_s = [0.0]
    group, event, subscription = (
        PolledGroup(lambda: now_s[0]),
        Event(),
        object.__new__(Subscription),
    )
    assert not group.can_execute(event)
    now_s[0] = 7.0
    group.open()
    for now_s[0], is_open in ((7.0, True), (7.049, True), (7.05, False)):
        assert (group.can_execute(event), group.can_execute(subscription)) == (is_open, False)
    assert group.beginning_execution(event)
    group.add_entity(event)
    assert group.has_entity(event)
