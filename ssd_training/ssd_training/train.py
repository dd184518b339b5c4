"""
Train a detector: `python -m ssd_training.train --experiment_path experiments/smoke.yaml`.

Exit codes: 0 the training is complete; 1 it failed, stderr and status.json say why; 2 wrong
usage or configuration; 130 (SIGINT) and 143 (SIGTERM) it was interrupted and saved its state.
"""

import argparse
from collections.abc import Sequence
import json
import logging
import os
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from ssd_detector.command_line import Parser, run_command
from ssd_detector.errors import SsdDetectorError
from ssd_training.command_line import CONFIG_ROOT, with_tensorflow
from ssd_training.quiet import quiet_tensorflow

if TYPE_CHECKING:
    from ssd_training.ledger.trainings.tracking import Tracker
    from ssd_training.runs.signals import StopRequest

_OVERFIT_STEPS = 100


def main(argv: Sequence[str] | None = None) -> int:
    """
    Train one experiment; its folder's path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage, 128 + n after signal n
    """
    arguments = _parse(argv)
    if not arguments.debug:
        quiet_tensorflow()
    return run_command(lambda: with_tensorflow(lambda: _run(arguments)))


def _run(arguments: argparse.Namespace) -> None:
    # This takes seconds; --help must not wait for it.
    from ssd_training.ledger.trainings.tracking import Tracker
    from ssd_training.runs.signals import stop_on_signals

    trains = not (
        arguments.print_config or arguments.dry_run or arguments.overfit_batch is not None
    )
    try:
        with stop_on_signals() as stop, Tracker(os.environ if trains else {}) as tracker:
            _train(arguments, stop, tracker)
    except SsdDetectorError as error:
        if arguments.debug:
            logging.getLogger(__name__).exception('%s', type(error).__name__)
        raise


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog='python -m ssd_training.train',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_experiment_arguments(parser)
    _add_start_arguments(parser)
    _add_trial_arguments(parser)
    parser.add_argument('--json', action='store_true', help='the result as JSON on stdout')
    parser.add_argument('--debug', action='store_true', help='log everything, show tracebacks')
    parser.add_argument(
        '--local_rank',
        type=int,
        default=0,
        help='only 0: workers are told apart by TF_CONFIG (runtime.strategy=multi_worker)',
    )
    parser.add_argument(
        'overrides', nargs='*', metavar='key.path=value', help='values that replace those in YAML'
    )
    arguments = parser.parse_intermixed_args(argv)
    _check(parser, arguments)
    return arguments


def _add_experiment_arguments(parser: argparse.ArgumentParser) -> None:
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
    parser.add_argument(
        '--git_commit',
        default=os.environ.get('GIT_COMMIT') or None,
        help='recorded, and part of the fingerprint (default: $GIT_COMMIT)',
    )
    parser.add_argument('--seed', type=int, help='the same as train.seed=SEED')


def _add_start_arguments(parser: argparse.ArgumentParser) -> None:
    start = parser.add_mutually_exclusive_group()
    start.add_argument(
        '--resume',
        action='store_true',
        help='go on with the newest run of this recipe; an error when there is none',
    )
    start.add_argument(
        '--run_from',
        metavar='PATH',
        help='go on from a run folder, a folder of checkpoints or one checkpoint; also s3://...',
    )
    parser.add_argument(
        '--checkpoint_step', type=int, metavar='N', help='with one of the two: not the newest'
    )


def _add_trial_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--print_config', action='store_true', help='show the values and their origin, and stop'
    )
    parser.add_argument(
        '--dry_run', action='store_true', help='build everything, train and write nothing'
    )
    parser.add_argument(
        '--overfit_batch',
        nargs='?',
        type=int,
        const=_OVERFIT_STEPS,
        metavar='STEPS',
        help='train on the first batch alone, write nothing, and fail unless its loss halves '
        f'(default: {_OVERFIT_STEPS} steps)',
    )


def _check(parser: argparse.ArgumentParser, arguments: argparse.Namespace) -> None:
    if arguments.checkpoint_step is not None and not (arguments.resume or arguments.run_from):
        parser.error('--checkpoint_step: needs --resume or --run_from')
    if arguments.local_rank != 0:
        parser.error(
            f'--local_rank: {arguments.local_rank}: workers are told apart by TF_CONFIG '
            f'(task.index) with runtime.strategy=multi_worker; leave it out'
        )


def _train(arguments: argparse.Namespace, stop: 'StopRequest', tracker: 'Tracker') -> None:
    from ssd_training.experiments.merge import format_tree, load_experiment
    from ssd_training.runs.fingerprint import compute_fingerprint
    from ssd_training.runs.layout import refuse_finished, run_path

    overrides = list(arguments.overrides)
    if arguments.seed is not None:
        overrides.append(f'train.seed={arguments.seed}')
    config, merged = load_experiment(
        arguments.experiment_path,
        arguments.config_root,
        overrides=overrides,
        environment=os.environ,
    )
    if arguments.print_config:
        print(format_tree(merged))
        return
    fingerprint = compute_fingerprint(config, git_commit=arguments.git_commit)
    writes = not arguments.dry_run and arguments.overfit_batch is None
    if writes and not arguments.resume and not tracker.has_ledger:
        # What comes takes seconds to import.
        refuse_finished(run_path(config.run.root, config.experiment.id, fingerprint))

    from ssd_training.ledger.trainings.tracked_training import train_tracked
    from ssd_training.training import session
    from ssd_training.training.trainer import prepare

    start = session.Start(
        resume=arguments.resume,
        run_from=arguments.run_from,
        checkpoint_step=arguments.checkpoint_step,
        git_commit=arguments.git_commit,
        arguments=_plain(arguments),
    )
    with session.open_console(config.logging, debug=arguments.debug) as console:
        if arguments.dry_run:
            session.check(config, fingerprint, start)
            name = f'{config.experiment.id}_{fingerprint}'
            _show(
                {'run': name, 'status': 'dry run'},
                f'{name}: everything fits; nothing was written',
                arguments,
            )
        elif arguments.overfit_batch is not None:
            result = session.overfit(prepare(config), num_steps=arguments.overfit_batch)
            loss = f'loss {result["first_loss"]:.4f} -> {result["last_loss"]:.4f}'
            _show(result, loss, arguments)
        else:
            result = train_tracked(
                config, fingerprint, start, console=console, stop=stop, tracker=tracker
            )
            _show(result, result['run'], arguments)


def _show(result: dict[str, Any], text: str, arguments: argparse.Namespace) -> None:
    print(json.dumps(result) if arguments.json else text)


def _plain(arguments: argparse.Namespace) -> dict[str, Any]:
    return {
        name: str(value) if isinstance(value, Path) else value
        for name, value in vars(arguments).items()
    }


if __name__ == '__main__':
    sys.exit(main())
