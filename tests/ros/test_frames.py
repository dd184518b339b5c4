"""Hand-over of frames between threads, and the worker behind it."""

from threading import Event, Thread

from ssd_detector_ros.frames import NewestFrame
from ssd_detector_ros.worker import Worker

TIMEOUT_S = 10


def fail(error):
    raise AssertionError('the worker failed') from error


def test_the_newest_frame_is_taken_and_older_ones_are_gone():
    frames = NewestFrame()
    assert [frames.put(number) for number in (1, 2, 3)] == [False, True, True]
    assert frames.take() == 3
    assert frames.put(4) is False


def test_take_waits_for_a_frame():
    frames, taken = NewestFrame(), []
    taker = Thread(target=lambda: taken.append(frames.take()))
    taker.start()
    frames.put('frame')
    taker.join(TIMEOUT_S)
    assert taken == ['frame']


def test_close_ends_the_waiting_now_and_later():
    frames, taken = NewestFrame(), []
    taker = Thread(target=lambda: taken.append(frames.take()))
    taker.start()
    frames.close()
    taker.join(TIMEOUT_S)
    frames.put('late')
    assert taken == [None]
    assert frames.take() is None


def test_the_worker_goes_on_with_the_newest_frame_after_a_slow_one():
    seen, is_busy, may_go_on, is_done = [], Event(), Event(), Event()

    def process(frame):
        seen.append(frame)
        is_busy.set()
        assert may_go_on.wait(TIMEOUT_S)
        if len(seen) == 2:
            is_done.set()

    worker = Worker(process, fail)
    worker.submit(1)
    assert is_busy.wait(TIMEOUT_S)
    assert [worker.submit(frame) for frame in (2, 3, 4)] == [False, True, True]
    may_go_on.set()
    assert is_done.wait(TIMEOUT_S)
    worker.stop()
    assert seen == [1, 4]


def test_stop_lets_the_frame_at_hand_finish():
    is_busy, may_go_on, finished = Event(), Event(), []

    def process(frame):
        is_busy.set()
        assert may_go_on.wait(TIMEOUT_S)
        finished.append(frame)

    worker = Worker(process, fail)
    worker.submit('frame')
    assert is_busy.wait(TIMEOUT_S)
    stopper = Thread(target=worker.stop)
    stopper.start()
    may_go_on.set()
    stopper.join(TIMEOUT_S)
    assert finished == ['frame']


def test_an_unforeseen_exception_is_handed_over_and_not_lost():
    caught, is_caught = [], Event()

    def process(frame):
        raise ZeroDivisionError(frame)

    def on_failure(error):
        caught.append(error)
        is_caught.set()

    worker = Worker(process, on_failure)
    worker.submit('frame')
    assert is_caught.wait(TIMEOUT_S)
    worker.stop()
    assert isinstance(caught[0], ZeroDivisionError)
