"""What signals do to the program before and after its work, in processes of their own."""

import signal
import subprocess
import sys

import pytest

SIGNALS = [signal.SIGINT, signal.SIGTERM]
START = """
import os
from ssd_detector_ros.program import OneEnd
end = OneEnd()
"""


def outcome_of(program):
    done = subprocess.run(
        [sys.executable, '-c', START + program], capture_output=True, text=True, check=False
    )
    return done.returncode, done.stdout.strip(), done.stderr


@pytest.mark.parametrize('number', SIGNALS)
def test_a_signal_while_libraries_are_loaded_ends_the_program_without_a_word(number):
    code = f'os.kill(os.getpid(), {number:d})\nprint("went on")'
    assert outcome_of(code) == (0, '', '')


def test_a_signal_while_the_interpreter_ends_changes_nothing():
    """By then Python has given signals their defaults back, which end a process with an error."""
    code = f"""
class Late:
    def __del__(self, kill=os.kill, pid=os.getpid(), write=os.write):
        for number in {list(map(int, SIGNALS))}:
            kill(pid, number)
        write(1, b'went on')

late = Late()
end.leave_it_to_rclpy()
for number in {list(map(int, SIGNALS))}:
    os.kill(os.getpid(), number)
end.ignore_the_rest()
"""
    assert outcome_of(code) == (0, 'went on', '')
