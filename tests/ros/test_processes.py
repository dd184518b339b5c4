"""What a failed ROS test tells: the processes' last words, and where they are stuck."""

import os
from pathlib import Path
import shutil
import sys

import pytest

from tests.patience import WaitedTooLong
from tests.ros.processes import outcome, running

ROOT = Path(__file__).parents[2]
# A shell's background job ignores SIGINT, and hands that on.
STUCK = """
import signal
signal.signal(signal.SIGINT, signal.default_int_handler)
from threading import Event
print("last words", flush=True)
Event().wait()
"""
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
        raise WaitedTooLong('nothing', 0.0)
    told = capfd.readouterr().err
    assert 'last words' in told
    assert '(most recent call first)' in told and 'in wait' in told


SHARING = """
import pytest
from tests.ros.processes import running
from tests.ros.test_processes import COMMAND, wait_for_words

@pytest.fixture(scope='module')
def shared(tmp_path_factory):
    log = tmp_path_factory.mktemp('shared') / 'log'
    with running(COMMAND, log):
        wait_for_words(log)
        yield

def test_fails(shared):
    assert not 'wrong'
"""


def test_a_process_that_tests_share_is_shown_with_the_one_that_failed(tmp_path):
    shutil.copy(Path(__file__).with_name('conftest.py'), tmp_path)
    (tmp_path / 'test_sharing.py').write_text(SHARING)
    # Else it deletes what earlier runs of all tests have left, before it prints the rest.
    own = ['--basetemp', tmp_path / 'own', '-p', 'no:cacheprovider']
    code, output = outcome(
        [sys.executable, '-m', 'pytest', '-c', '/dev/null', *own, tmp_path],
        env=os.environ | {'PYTHONPATH': f'{ROOT}:{os.environ.get("PYTHONPATH", "")}'},
    )
    assert code == 1
    assert 'Processes at work' in output and 'last words' in output
