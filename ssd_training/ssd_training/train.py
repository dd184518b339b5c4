"""Train a detector: `python -m ssd_training.train --experiment_path experiments/smoke.yaml`."""

import argparse
from collections.abc import Sequence
import logging
import os
from pathlib import Path
import sys

CONFIG_ROOT = Path(__file__).parent / 'configs'


def main(argv: Sequence[str] | None = None) -> int:
    """
    Train one experiment; its folder's path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    arguments = _parse(argv)
    # These take seconds; --help must not wait for them.
    from ssd_detector.errors import ConfigError, FindingsError

    logging.basicConfig(level=logging.INFO, format='%(asctime)s %(message)s', stream=sys.stderr)
    try:
        _train(arguments)
    except FindingsError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m ssd_training.train', description=__doc__)
    parser.add_argument(
        '--experiment_path',
        type=Path,
        required=True,
        help='YAML file of the experiment; a relative path may start at the config root',
    )
    parser.add_argument(
        '--config_root',
        type=Path,
        default=CONFIG_ROOT,
        help='folder of the component files (default: the configs of this package)',
    )
    parser.add_argument('--git_commit', help='recorded, and part of the fingerprint')
    parser.add_argument(
        '--print_config', action='store_true', help='show the values and their origin, and stop'
    )
    parser.add_argument(
        '--dry_run', action='store_true', help='build everything, train and write nothing'
    )
    parser.add_argument(
        'overrides', nargs='*', metavar='key.path=value', help='values that replace those in YAML'
    )
    return parser.parse_args(argv)


def _train(arguments: argparse.Namespace) -> None:
    from ssd_training.experiments.fingerprint import compute_fingerprint
    from ssd_training.experiments.merge import format_tree, load_experiment

    config, merged = load_experiment(
        arguments.experiment_path,
        arguments.config_root,
        overrides=arguments.overrides,
        environment=os.environ,
    )
    if arguments.print_config:
        print(format_tree(merged))
        return
    fingerprint = compute_fingerprint(config, git_commit=arguments.git_commit)
    from ssd_training.engine import trainer
    from ssd_training.engine.run_folder import RunFolder

    training = trainer.prepare(config)
    if arguments.dry_run:
        print(f'{config.experiment.id}_{fingerprint}: everything fits; nothing was written')
        return
    folder = RunFolder.create(config, fingerprint, vars(arguments) | _as_text(arguments))
    with folder.running():
        trainer.run(training, folder)
    print(folder.path)


def _as_text(arguments: argparse.Namespace) -> dict[str, str]:
    return {name: str(getattr(arguments, name)) for name in ('experiment_path', 'config_root')}


if __name__ == '__main__':
    sys.exit(main())
