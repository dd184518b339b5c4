"""Where one machine is outgrown: `python -m ssd_training.cluster queue|train|skypilot`."""

import argparse
from collections.abc import Sequence
import os
import sys

from ssd_detector.errors import ConfigError
from ssd_training.cluster.arguments import parse
from ssd_training.command_line import run_command

# What a worker gets of the environment here. No keys: nodes have a role, or keys of their own.
_PASSED_ON = (
    *('CHECKPOINT_BUCKET', 'DATA_ROOT', 'RUNS_ROOT', 'SSD_WEIGHTS_DIR', 'GIT_COMMIT'),
    *('SSD_LEASE_S', 'SSD_PRICE_USD_PER_HOUR', 'AWS_DEFAULT_REGION'),
    *('AWS_ENDPOINT_URL', 'AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL_DYNAMODB'),
)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run one of the commands.

    :param argv: the arguments; those of the process by default
    :return: 0 good; 1 failed; 2 wrong usage or configuration; 128 + n after signal n
    """
    arguments = parse(argv)
    return run_command(lambda: _COMMANDS[arguments.command](arguments))


def _queue(arguments: argparse.Namespace) -> int:
    from ssd_training.cluster.ray_session import connected, Share
    from ssd_training.cluster.work_queue import work_on_cluster
    from ssd_training.ledger.opening import default_location, find_location

    location = find_location(
        os.environ, path=arguments.ledger, table=arguments.table_name, region=arguments.region
    ) or default_location(os.environ)
    with connected(arguments.address) as ray:
        return work_on_cluster(
            ray,
            location,
            num_workers=arguments.workers,
            share=Share(arguments.num_cpus, arguments.num_gpus),
            environment=_passed_on(),
        )


def _train(arguments: argparse.Namespace) -> int:
    from ssd_training.cluster.ray_session import connected, Share
    from ssd_training.cluster.worker_group import Group, train_on_cluster
    from ssd_training.experiments.merge import load_experiment
    from ssd_training.runs.fingerprint import compute_fingerprint
    from ssd_training.runs.layout import run_path, was_trained_in

    config, _ = load_experiment(
        arguments.experiment_path,
        arguments.config_root,
        overrides=arguments.overrides,
        environment=os.environ,
    )
    fingerprint = compute_fingerprint(config, git_commit=os.environ.get('GIT_COMMIT') or None)
    run = run_path(config.run.root, config.experiment.id, fingerprint)
    words = ['--experiment_path', str(arguments.experiment_path)]
    words += ['--config_root', str(arguments.config_root), *arguments.overrides]
    if arguments.resume:
        words.append('--resume')
    share = Share(arguments.num_cpus, arguments.num_gpus)
    with connected(arguments.address) as ray:
        return train_on_cluster(
            ray,
            Group(arguments.multi_worker, share),
            words,
            # One training is no queue.
            environment={**_passed_on(), 'SSD_LEDGER': '', 'DYNAMODB_EXPERIMENT_TABLE': ''},
            was_trained=lambda: was_trained_in(run),
        )


def _skypilot(arguments: argparse.Namespace) -> int:
    from ssd_training.cluster.skypilot import Machines, write_task
    from ssd_training.ledger.opening import find_location

    location = find_location(
        os.environ, path=arguments.ledger, table=arguments.table_name, region=arguments.region
    )
    if location is None or location.table is None:
        raise ConfigError(
            [
                'skypilot: machines of a cloud need the ledger in a table; give --table_name or '
                'DYNAMODB_EXPERIMENT_TABLE'
            ]
        )
    if not os.environ.get('CHECKPOINT_BUCKET'):
        raise ConfigError(
            [
                'skypilot: a machine that is taken away takes its runs along; set '
                'CHECKPOINT_BUCKET to a place for copies, such as bucket/runs'
            ]
        )
    chosen = {'accelerators': arguments.accelerators} if arguments.accelerators else {}
    machines = Machines(arguments.image, dataset_url=arguments.dataset_url, **chosen)
    # Paths of this machine are none of theirs.
    here = ('DATA_ROOT', 'RUNS_ROOT', 'SSD_WEIGHTS_DIR')
    passed = {name: value for name, value in _passed_on().items() if name not in here}
    print(write_task(arguments.name, location, machines, passed), end='')
    return 0


def _passed_on() -> dict[str, str]:
    return {name: os.environ[name] for name in _PASSED_ON if os.environ.get(name)}


_COMMANDS = {'queue': _queue, 'train': _train, 'skypilot': _skypilot}


if __name__ == '__main__':
    sys.exit(main())
