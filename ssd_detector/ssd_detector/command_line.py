"""What the command lines of all packages share: how options are spelled, how errors end them."""

import argparse
from collections.abc import Callable, Sequence
import sys
from typing import Any

from ssd_detector.errors import SsdDetectorError


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

    :param action: does the work; may give an exit code, else it is 0
    :return: the exit code: 0 good, 1 failed, 2 wrong usage or configuration
    """
    try:
        return action() or 0
    except SsdDetectorError as error:
        print(error, file=sys.stderr)
        return error.exit_code
