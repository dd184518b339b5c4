"""Work beside the executor: waited for as long as it may take, and no longer."""

from threading import Event

import pytest

from ssd_detector_ros.threads.background import InBackground, TookTooLongError


@pytest.fixture
def stuck():
    """Give work that ends with the test only."""
    event = Event()
    yield event.wait
    event.set()


def begin(function, **options):
    return InBackground(function, on_end=lambda: None, what='a load', **options)


def test_a_result_and_an_error_come_to_who_waits():
    assert begin(lambda: 3).wait(lambda: True) == 3
    with pytest.raises(ZeroDivisionError):
        begin(lambda: 1 / 0).wait(lambda: True)


def test_work_that_does_not_end_is_left_to_itself_in_words(stuck):
    with pytest.raises(TookTooLongError, match='a load: not done within 0.1 s'):
        begin(stuck, timeout_s=0.1).wait(lambda: True)


def test_who_awaits_it_is_told_as_well(stuck):
    waiting = begin(stuck, timeout_s=0.0).__await__()
    with pytest.raises(TookTooLongError, match='a load: not done within 0 s'):
        for _ in range(10**6):
            next(waiting)


def test_work_is_not_waited_for_once_the_node_ends(stuck):
    with pytest.raises(TookTooLongError, match='as the node ends'):
        begin(stuck).wait(lambda: False)
