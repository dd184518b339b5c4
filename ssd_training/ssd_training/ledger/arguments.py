"""The command line of `python -m ssd_training.ledger`, and the reference's flags for the same."""

import argparse
from collections.abc import Sequence
import math
import os
from pathlib import Path

from ssd_detector.command_line import Parser
from ssd_training.command_line import CONFIG_ROOT, positive

_COMMANDS = {
    'register': 'add experiments; those that are there are brought up to date (the default)',
    'list': 'show all experiments, those first that come first',
    'next': 'show what a worker would train now',
    'run': 'work: claim and train the next experiment, until none is left',
    'reset_failed': 'let experiments that failed start again',
    'release': 'take an experiment away from a machine that is gone',
    'create_table': 'make the table, or the index that it lacks',
}
# The reference's flags stand for commands.
_FLAGS = {'__list': 'list', '__reset_failed': 'reset_failed'}


def parse(argv: Sequence[str]) -> argparse.Namespace:
    """
    Parse the arguments.

    :param argv: those of the process; without a command they are the reference's
    :return: see the help
    """
    parser = Parser(
        prog='python -m ssd_training.ledger',
        description='Experiments: registered once, claimed by one machine at a time.',
        epilog='As in the reference --list and --reset_failed ID work, too, and no command '
        'registers.',
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        _add_common(command)
        _ADD[name](command)
    arguments: argparse.Namespace = parser.parse_args(_with_command(argv))
    return arguments


def _seconds(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < math.inf:
        raise argparse.ArgumentTypeError(f'{text} is no number of seconds')
    return value


def _with_command(argv: Sequence[str]) -> list[str]:
    """Put the command in front."""
    for index, argument in enumerate(argv):
        name = _FLAGS.get(argument.replace('-', '_'), argument)
        if name in _COMMANDS:
            return [name, *argv[:index], *argv[index + 1 :]]
    return list(argv) if {'-h', '--help'} & set(argv) else ['register', *argv]


def _add_common(parser: argparse.ArgumentParser) -> None:
    store = parser.add_mutually_exclusive_group()
    store.add_argument(
        '--ledger',
        type=Path,
        metavar='PATH',
        help='file of the ledger (default: $SSD_LEDGER, else ledger.db beside the runs)',
    )
    store.add_argument(
        '--table_name',
        metavar='TABLE',
        help='table in DynamoDB instead (default: $DYNAMODB_EXPERIMENT_TABLE)',
    )
    parser.add_argument(
        '--region', help='of the table (default: $AWS_REGION, $AWS_DEFAULT_REGION, us-east-1)'
    )


def _add_register(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        'experiments',
        nargs='*',
        metavar='EXPERIMENT | key.path=value',
        help='YAML files (default: all in the folder experiments of the config root), and values '
        'that replace those in them',
    )
    parser.add_argument('--config_root', type=Path, default=CONFIG_ROOT)
    parser.add_argument(
        '--git_commit',
        default=os.environ.get('GIT_COMMIT') or None,
        help='part of the fingerprint (default: $GIT_COMMIT)',
    )
    parser.add_argument('--dry_run', action='store_true', help='tell, and change nothing')


def _add_list(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('experiments', nargs='*', metavar='ID', help='these alone')
    parser.add_argument('--json', action='store_true', help='everything, as JSON')
    parser.add_argument(
        '--watch',
        nargs='?',
        type=_seconds,
        const=2.0,
        metavar='SECONDS',
        help='again and again, until Ctrl-C or until nothing is left to do',
    )


def _add_next(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--json', action='store_true', help='as JSON')


def _add_run(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--max_experiments', type=positive, help='end behind that many')
    parser.add_argument('--poll_s', type=_seconds, default=5.0, help='between looks (default: 5)')
    parser.add_argument(
        '--no_wait',
        action='store_true',
        help='end where nothing can be claimed, also while others work',
    )
    parser.add_argument(
        '--price_usd_per_hour',
        type=float,
        help='of this machine, for the costs (default: $SSD_PRICE_USD_PER_HOUR, else '
        'infrastructure.price_usd_per_hour)',
    )
    parser.add_argument('--dry_run', action='store_true', help='show what would be trained first')


def _add_reset_failed(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('experiments', nargs='+', metavar='ID', help='experiment.id')
    parser.add_argument('--dry_run', action='store_true', help='tell, and change nothing')


def _add_release(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('experiments', nargs='+', metavar='ID', help='experiment.id')
    parser.add_argument(
        '--force', action='store_true', help='although its lease is not known to be over'
    )
    parser.add_argument('--dry_run', action='store_true', help='tell, and change nothing')


def _add_nothing(parser: argparse.ArgumentParser) -> None:
    pass


_ADD = {
    'register': _add_register,
    'list': _add_list,
    'next': _add_next,
    'run': _add_run,
    'reset_failed': _add_reset_failed,
    'release': _add_release,
    'create_table': _add_nothing,
}
