"""The command line of `python -m ssd_training.cluster`."""

import argparse
from collections.abc import Sequence
import os
from pathlib import Path

from ssd_detector.command_line import Parser
from ssd_training.command_line import CONFIG_ROOT, positive


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """
    Parse the arguments.

    :param argv: those of the process by default
    :return: see the help
    """
    parser = Parser(
        prog='python -m ssd_training.cluster',
        description='Where one machine is outgrown: a Ray cluster, or machines of any cloud.',
    )
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    _add_queue(commands)
    _add_train(commands)
    _add_skypilot(commands)
    return parser.parse_args(argv)


def _add_queue(commands: 'argparse._SubParsersAction[Parser]') -> None:
    text = "work on the ledger's queue on a Ray cluster, a worker a task, until it is empty"
    parser = commands.add_parser('queue', help=text, description=text)
    parser.add_argument('--workers', type=positive, default=1, help='tasks (default: 1)')
    _add_ray(parser)
    _add_ledger(parser.add_mutually_exclusive_group())
    parser.add_argument('--region', help='of the table')


def _add_train(commands: 'argparse._SubParsersAction[Parser]') -> None:
    text = 'one training on several nodes of a Ray cluster (runtime.strategy=multi_worker)'
    parser = commands.add_parser('train', help=text, description=text)
    parser.add_argument(
        '--multi_worker', type=positive, required=True, metavar='N', help='workers of the training'
    )
    parser.add_argument('--experiment_path', type=Path, required=True)
    parser.add_argument('--config_root', type=Path, default=CONFIG_ROOT)
    parser.add_argument('--resume', action='store_true', help='as for ssd_training.train')
    parser.add_argument('overrides', nargs='*', metavar='key.path=value')
    _add_ray(parser)


def _add_skypilot(commands: 'argparse._SubParsersAction[Parser]') -> None:
    text = 'print a task file for `sky jobs launch`: a worker of the queue on spot machines'
    parser = commands.add_parser('skypilot', help=text, description=text)
    parser.add_argument('--name', default='ssd-queue', help='of the jobs (default: ssd-queue)')
    parser.add_argument('--image', required=True, help='of docker/training/Dockerfile.train')
    parser.add_argument(
        '--accelerators',
        nargs='+',
        metavar='GPU',
        help='tried in this order (default: L4:1 A10G:1 T4:1)',
    )
    parser.add_argument('--dataset_url', default='', help='bucket that becomes /data')
    _add_ledger(parser)
    parser.add_argument('--region', help='of the table')


def _add_ray(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--address',
        default=os.environ.get('RAY_ADDRESS') or 'auto',
        help='host:port of the cluster, auto for the one of this machine, local for a new one '
        '(default: $RAY_ADDRESS, else auto)',
    )
    parser.add_argument('--num_cpus', type=float, default=1.0, help='of each (default: 1)')
    parser.add_argument(
        '--num_gpus', type=float, help='of each (default: 1 where the cluster has any)'
    )


def _add_ledger(parser: 'argparse._ActionsContainer') -> None:
    parser.add_argument('--ledger', type=Path, metavar='PATH', help='file (default: $SSD_LEDGER)')
    parser.add_argument(
        '--table_name', metavar='TABLE', help='table (default: $DYNAMODB_EXPERIMENT_TABLE)'
    )
