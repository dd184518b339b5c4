"""What the command lines of all packages share: how options are spelled, how errors end them."""

import argparse
from collections.abc import Callable, Sequence
import errno
from io import TextIOWrapper
import os
import select
import signal
import sys
from typing import Any, TextIO

from ssd_detector.errors import SsdDetectorError
from ssd_detector.printable import ESCAPING, printable

# As a shell has it of what a signal ended: by Ctrl-C, and for want of a reader.
_INTERRUPTED = 128 + signal.SIGINT
UNREAD = 128 + signal.SIGPIPE

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


class Parser(argparse.ArgumentParser):
    """
    A parser whose options are spelled with underscores; with dashes they work as well.

    Some were written with dashes once, and a shell's history keeps them.
    """

    # Every way to parse leads to one of these two, and so do the parsers of subcommands; both meet
    # before Python 3.13, and what is spelled stays as it is.
    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """
        Parse what is known.

        :param args: the arguments; those of the process by default
        :param namespace: to fill
        :return: the namespace, and what is not known
        """
        return super().parse_known_args(self._spell_all(args), namespace)

    def parse_known_intermixed_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: Any = None
    ) -> tuple[Any, list[str]]:
        """
        Parse what is known, options between positional arguments.

        :param args: the arguments; those of the process by default
        :param namespace: to fill
        :return: the namespace, and what is not known
        """
        return super().parse_known_intermixed_args(self._spell_all(args), namespace)

    def _spell_all(self, args: Sequence[str] | None) -> list[str]:
        given = list(sys.argv[1:] if args is None else args)
        end = given.index('--') if '--' in given else len(given)
        return [self._spell(argument) for argument in given[:end]] + given[end:]

    def _spell(self, argument: str) -> str:
        name, equals, value = argument.partition('=')
        if not name.startswith('--') or name in self._option_string_actions:
            return argument
        return f'--{name[2:].replace("-", "_")}{equals}{value}'


def run_command(action: Callable[[], int | None]) -> int:
    """
    Run a command; an error of ours is one sentence a finding on stderr, never a traceback.

    So is a file or folder that the system refuses.

    Letters that stdout and stderr can't encode are escaped.

    :param action: does the work; may give an exit code, else it is 0
    :return: the exit code: 0 good, 1 failed, 2 wrong usage or configuration, 130 after Ctrl-C, 141
        when whoever reads the output, such as `head`, had enough before the work was done
    """
    code = UNREAD
    try:
        for stream in (sys.stdout, sys.stderr):
            _take_any_letter(stream)
        code = _run(action)
        # Not at the end of the interpreter, which would end with 120.
        return _flush() or code
    except BrokenPipeError:
        unread = [stream for stream in (sys.stdout, sys.stderr) if _is_unread(stream)]
        if not unread:
            raise
        for stream in unread:
            _discard(stream)
        return code


def _run(action: Callable[[], int | None]) -> int:
    try:
        return action() or 0
    except SsdDetectorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    except KeyboardInterrupt:
        print('stopped', file=sys.stderr)
        return _INTERRUPTED
    except OSError as error:
        if _is_of_stdout(error):
            return _give_up(error)
        if error.strerror is None or (error.filename is None and error.errno not in _FULL):
            raise
        print(_describe(error), file=sys.stderr)
        return 1


def _describe(error: OSError) -> str:
    """Tell what the system refused: a folder that is a file, no permission, a full disk."""
    if error.filename is None:
        return f'a file can not be written or read ({error.strerror}); check the disk and its room'
    paths = (error.filename, error.filename2)
    names = ' -> '.join(os.fsdecode(path) for path in paths if isinstance(path, str | bytes))
    return printable(
        f'{names}: {error.strerror}; check the path, its permissions and the room on its disk'
    )


def _is_of_stdout(error: OSError) -> bool:
    """Tell whether stdout takes no more; one more line shows it, for long ones are not kept."""
    if sys.stdout is None or error.filename is not None or error.errno not in _FULL:
        return False
    try:
        print(flush=True)
    except OSError as another:
        return another.errno in _FULL
    return False


def _take_any_letter(stream: TextIO | None) -> None:
    # Notebooks have others, which take any letter.
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors=ESCAPING)


def _flush() -> int:
    """Write what is not written yet; give 1 when that fails."""
    try:
        if sys.stdout is not None:
            sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        return _give_up(error)
    return 0


def _give_up(error: OSError) -> int:
    _discard(sys.stdout)
    print(f'stdout: can not be written ({error.strerror})', file=sys.stderr)
    return 1


def _is_unread(stream: TextIO | None) -> bool:
    """Tell whether nobody is left at the other end."""
    try:
        descriptor = stream.fileno() if stream is not None else -1
    except ValueError:  # It is closed, or kept in memory.
        descriptor = -1
    if descriptor < 0:
        return False
    poll = select.poll()
    poll.register(descriptor, 0)
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def _discard(stream: TextIO) -> None:
    """Let the interpreter write what is left nowhere."""
    with open(os.devnull, 'w') as nowhere:
        os.dup2(nowhere.fileno(), stream.fileno())
