"""What the commands have in common."""

import argparse
import io

import pytest

from ssd_detector_ros.bag_evaluation.commands import (
    count,
    open_progress,
    own_arguments,
    positive,
    share,
    size_wh,
)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def show(stream, monkeypatch):
    times_s = iter([0.0, 20.0, 20.01, 40.0])
    monkeypatch.setattr('time.monotonic', lambda: next(times_s))
    with open_progress('work', stream) as on_frame:
        on_frame(50, 100)
        on_frame(51, 100)
        on_frame(100, 100)
    return stream.getvalue()


def test_progress_is_a_bar_on_a_terminal_that_goes_at_the_end(monkeypatch):
    shown = show(Terminal(), monkeypatch)

    assert '[###############---------------] 50/100, 2.5 a second' in shown
    assert '51/100' not in shown and shown.endswith('\x1b[K')


def test_progress_is_lines_elsewhere(monkeypatch):
    lines = show(io.StringIO(), monkeypatch).splitlines()

    assert lines == [
        'work: 50 of 100 frames, 2.5 a second',
        'work: 100 of 100 frames, 2.5 a second',
    ]


def test_what_a_launch_file_adds_for_ros_is_left_out():
    assert own_arguments(['bag', '--ros-args', '-r', '__ns:=/a']) == ['bag']


@pytest.mark.parametrize(
    ('read', 'text', 'expected'),
    [
        (size_wh, '640x480', (640, 480)),
        (share, '0.5', 0.5),
        (positive, '2.5', 2.5),
        (count, '3', 3),
    ],
)
def test_arguments_are_read(read, text, expected):
    assert read(text) == expected


@pytest.mark.parametrize(
    ('read', 'text'),
    [
        *((size_wh, text) for text in ('640', '0x4', 'axb', '-1x2')),
        *((share, text) for text in ('1.1', '-0.1', 'nan', 'half')),
        *((positive, text) for text in ('0', '-1', 'inf', 'nan', 'x')),
        *((count, text) for text in ('0', '-1', '1.5', 'x')),
    ],
)
def test_arguments_that_can_not_be_are_refused_with_what_came(read, text):
    with pytest.raises(argparse.ArgumentTypeError, match='is no'):
        read(text)
