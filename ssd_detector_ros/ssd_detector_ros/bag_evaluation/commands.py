"""What the commands have in common: progress, kinds of arguments."""

import argparse
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
import sys
import time
from typing import TextIO

from ssd_detector.command_line import run_command, UNREAD
from ssd_detector.errors import ConfigError

# Frames done, frames in all.
OnFrame = Callable[[int, int], None]
_LINE_INTERVAL_S = 10.0
_BAR_INTERVAL_S = 0.1
_BAR_WIDTH = 30


def own_arguments(argv: Sequence[str] | None) -> list[str]:
    """
    Leave out what a launch file adds for ROS itself.

    :param argv: the arguments; those of the process by default
    :return: without `--ros-args` and what follows
    """
    given = list(sys.argv[1:] if argv is None else argv)
    return given[: given.index('--ros-args')] if '--ros-args' in given else given


def run_bag_command(action: Callable[[], int | None]) -> int:
    """
    Run a command, where what reads recordings is installed.

    :param action: does the work
    :return: the exit code: 0 good, 1 failed or a gate missed, 2 wrong usage, 130 after Ctrl-C
    """

    def check_and_run() -> int | None:
        if find_spec('rosbags') is None:
            raise ConfigError(
                ['recordings are read with rosbags, which is missing; pip install "rosbags>=0.11"']
            )
        return action()

    code = run_command(check_and_run)
    # Results are written before they are printed.
    return 0 if code == UNREAD else code


@contextmanager
def open_progress(name: str, stream: TextIO | None = None) -> Iterator[OnFrame]:
    """
    Show how far something is: a bar on a terminal, a line every 10 s elsewhere.

    :param name: of what is done
    :param stream: where to; stderr by default
    :return: takes the frames done and those in all
    """
    stream = stream or sys.stderr
    is_terminal = stream.isatty()
    start_s = last_s = time.monotonic()

    def show(done: int, total: int) -> None:
        nonlocal last_s
        now_s = time.monotonic()
        if now_s - last_s < (_BAR_INTERVAL_S if is_terminal else _LINE_INTERVAL_S):
            return
        last_s = now_s
        pace = f'{done / max(now_s - start_s, 1e-3):.1f} a second'
        if not is_terminal:
            stream.write(f'{name}: {done} of {total} frames, {pace}\n')
            return
        filled = round(_BAR_WIDTH * min(done / max(total, 1), 1))
        bar = '#' * filled + '-' * (_BAR_WIDTH - filled)
        stream.write(f'\r{name} [{bar}] {done}/{total}, {pace} \x1b[K')
        stream.flush()

    yield show
    if is_terminal:
        stream.write('\r\x1b[K')


def size_wh(text: str) -> tuple[int, int]:
    """
    Read a size.

    :param text: such as 640x480
    :return: px
    :raises ArgumentTypeError: when it is none
    """
    width, _, height = text.partition('x')
    if not (width.isdecimal() and height.isdecimal() and int(width) and int(height)):
        raise argparse.ArgumentTypeError(f'{text!r} is no size such as 640x480')
    return int(width), int(height)


def share(text: str) -> float:
    """
    Read a share.

    :param text: a number
    :return: in [0, 1]
    :raises ArgumentTypeError: when it is none
    """
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        raise argparse.ArgumentTypeError(f'{text!r} is no number in [0, 1]')
    return value


def positive(text: str) -> float:
    """
    Read a number above 0.

    :param text: a number
    :return: above 0
    :raises ArgumentTypeError: when it is none
    """
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text!r} is no number above 0')
    return value


def count(text: str) -> int:
    """
    Read a whole number above 0.

    :param text: a number
    :return: from 1 on
    :raises ArgumentTypeError: when it is none
    """
    if not text.isdecimal() or not int(text):
        raise argparse.ArgumentTypeError(f'{text!r} is no whole number from 1 on')
    return int(text)
