"""What keeps the program from starting is one line that says what to do."""

import pytest

from ssd_detector_ros.start.run import main

LONG = 'a' * 300
CASES = {
    'name': (['-r', f'__node:={LONG}'], 'at most 255 characters'),
    'namespace': (['-r', '__ns:=' + '/abcdefghi' * 30], 'at most 245 characters'),
    'name with its topics': (['-r', f'__node:={LONG[:240]}'], 'at most 247 characters'),
    'remapping': (['-r', 'a'], '-r from:=to'),
    'parameter file': (['--params-file', '/no/such'], 'check path and YAML of the file'),
    'log level': (['--log-level', 'loud'], 'debug, info, warn, error or fatal'),
}


@pytest.mark.parametrize('case', CASES)
def test_an_argument_that_can_not_be_is_one_line_with_what_to_do(capfd, case):
    arguments, advice = CASES[case]
    assert main(['--ros-args', *arguments]) == 1
    (line,) = own_lines(capfd)
    assert advice in line and '/project/' not in line


def test_a_folder_for_logs_that_can_not_be_written_is_told_with_the_variable(capfd, monkeypatch):
    monkeypatch.setenv('ROS_LOG_DIR', '/proc/no_such_folder')
    assert main([]) == 1
    (line,) = own_lines(capfd)
    assert '/proc/no_such_folder' in line and 'set ROS_LOG_DIR' in line


def test_without_a_home_logs_have_no_place(capfd, monkeypatch):
    for name in ('ROS_LOG_DIR', 'ROS_HOME', 'HOME'):
        monkeypatch.delenv(name, raising=False)
    assert main([]) == 1
    error = capfd.readouterr().err
    assert error.count('\n') == 1 and 'no HOME' in error and 'set ROS_LOG_DIR' in error


def own_lines(capfd):
    """List what the program itself says; rcl says that it could not parse, too."""
    lines = capfd.readouterr().err.splitlines()
    assert 'Traceback (most recent call last):' not in lines
    return [line for line in lines if not line.startswith('[')]
