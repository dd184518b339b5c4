"""Training data: `python -m ssd_training.data prepare|check|stats|preview|tfrecords`."""

import argparse
from collections.abc import Sequence
import json
import os
from pathlib import Path
import sys

from ssd_detector.command_line import Parser
from ssd_training.command_line import CONFIG_ROOT, positive, run_command
from ssd_training.preparation import command as preparation

# Only what is needed to answer --help; commands.py brings the rest.
_PREPARE = (
    'make splits, an experiment and a deploy config of what a labelling tool exported (VOC, COCO, '
    'YOLO, CVAT)'
)
_COMMANDS = {
    'check': 'find everything that is wrong with annotations, images and splits',
    'stats': 'count classes and sizes, and what share of the objects the priors can match',
    'preview': 'draw what the network is shown: a contact sheet of augmented samples',
    'tfrecords': 'write the splits as TFRecord shards, from which data.tfrecords.enabled trains',
}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one of the commands; results go to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 something is wrong with the data, 2 wrong usage or configuration
    """
    arguments = _parse(argv)
    return run_command(lambda: _run(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog='python -m ssd_training.data', description=__doc__)
    commands = parser.add_subparsers(dest='command', required=True, metavar='COMMAND')
    preparation.add_arguments(commands.add_parser('prepare', help=_PREPARE, description=_PREPARE))
    for name, text in _COMMANDS.items():
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument(
            '--experiment_path',
            type=Path,
            required=True,
            help='YAML file of the experiment; a relative path may start at the config root',
        )
        command.add_argument('--config_root', type=Path, default=CONFIG_ROOT)
        if name in ('check', 'stats'):
            command.add_argument('--json', action='store_true', help='JSON instead of tables')
        if name == 'preview':
            command.add_argument('--output', type=Path, default=Path('preview.png'), help='PNG')
            command.add_argument('--num_images', type=positive, default=16)
        if name == 'tfrecords':
            command.add_argument('--overwrite', action='store_true', help='replace old shards')
        command.add_argument('overrides', nargs='*', metavar='key.path=value')
    return parser.parse_args(argv)


def _run(arguments: argparse.Namespace) -> int:
    if arguments.command == 'prepare':
        return preparation.run(arguments)
    from ssd_training.data import commands
    from ssd_training.data.checking.check import check_data
    from ssd_training.experiments.merge import load_experiment

    config, _ = load_experiment(
        arguments.experiment_path,
        arguments.config_root,
        overrides=arguments.overrides,
        environment=os.environ,
    )
    if arguments.command == 'check':
        result = check_data(config.data)
        tree = result.as_tree()
        print(json.dumps(tree, indent=1) if arguments.json else commands.format_check(result))
        return 0 if result.is_good else 1
    if arguments.command == 'stats':
        splits = commands.describe(config)
        print(json.dumps(splits, indent=1) if arguments.json else commands.format_stats(splits))
    elif arguments.command == 'preview':
        commands.write_preview(config, arguments.output, arguments.num_images)
        print(arguments.output)
    else:
        for folder in commands.write_tfrecords(config.data, overwrite=arguments.overwrite):
            print(folder)
    return 0


if __name__ == '__main__':
    sys.exit(main())
