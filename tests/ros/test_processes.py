"""What a failed ROS test tells: the processes' last words, and where they are stuck."""

import sys

import pytest

from tests.ros.processes import running, WaitedTooLong

STUCK = 'from threading import Event; print("last words", flush=True); Event().wait()'
COMMAND = [sys.executable, '-c', STUCK]


def wait_for_words(log):
    while 'last words' not in log.read_text():
        pass


def test_a_failed_test_shows_the_end_of_the_log(tmp_path, capfd):
    log = tmp_path / 'log'
    with pytest.raises(AssertionError, match='wrong'), running(COMMAND, log):
        wait_for_words(log)
        raise AssertionError('wrong')
    told = capfd.readouterr().err
    assert f'--- {log}, the last lines:\nlast words\n' in told
    assert 'most recent call first' not in told


def test_a_test_that_waited_in_vain_shows_where_the_process_is(tmp_path, capfd):
    log = tmp_path / 'log'
    with pytest.raises(WaitedTooLong), running(COMMAND, log):
        wait_for_words(log)
        raise WaitedTooLong('nothing came')
    told = capfd.readouterr().err
    assert 'last words' in told
    assert '(most recent call first)' in told and 'in wait' in told
