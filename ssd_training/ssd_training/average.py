"""
Average the weights of several trainings that started from the same weights.

    python -m ssd_training.average --experiment_path FILE --output mean.weights.h5 RUN RUN ...
"""

import argparse
from collections.abc import Sequence
import os
from pathlib import Path
import sys
from typing import TYPE_CHECKING

from ssd_training.command_line import CONFIG_ROOT, run_command

if TYPE_CHECKING:
    import keras

    from ssd_training.experiments.schema import ExperimentConfig
    from ssd_training.training.soup import Member

_SUFFIX = '.weights.h5'


def main(argv: Sequence[str] | None = None) -> int:
    """
    Average; the path of the weights goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    parser = argparse.ArgumentParser(
        prog='python -m ssd_training.average',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        'members',
        nargs='+',
        metavar='RUN',
        help='run folder, *.weights.h5, ckpt-<step>.npz, archive *.npz of a detector, bundle, or '
        'released',
    )
    parser.add_argument(
        '--experiment_path', type=Path, required=True, help='the network, its classes, the data'
    )
    parser.add_argument('--output', type=Path, required=True, help=f'file *{_SUFFIX}')
    how = parser.add_mutually_exclusive_group()
    how.add_argument(
        '--shares', nargs='+', type=_share, metavar='X', help='how much each counts (default: 1)'
    )
    how.add_argument(
        '--greedy',
        action='store_true',
        help='the best first; each other joins if the mAP of the val split does not fall. Report '
        'the result on pictures that did not choose: data.val_split=...',
    )
    parser.add_argument('--config_root', type=Path, default=CONFIG_ROOT, help='of the experiment')
    parser.add_argument('--overrides', nargs='+', default=[], metavar='key.path=value')
    arguments = parser.parse_args(argv)
    if not arguments.output.name.endswith(_SUFFIX):
        parser.error(f'--output {arguments.output}: the name has to end in {_SUFFIX}')
    if arguments.shares and len(arguments.shares) != len(arguments.members):
        parser.error(
            f'--shares: {len(arguments.shares)} numbers for {len(arguments.members)} trainings'
        )
    return run_command(lambda: _average(arguments))


def _share(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not 0 < value < float('inf'):
        raise argparse.ArgumentTypeError(f'{text} is not a number above 0')
    return value


def _average(arguments: argparse.Namespace) -> None:
    # These take seconds; --help must not wait for them.
    from ssd_training.experiments.merge import load_experiment
    from ssd_training.model.weights import save_weights
    from ssd_training.training import soup
    from ssd_training.training.step.building import build_float_model

    config, _ = load_experiment(
        arguments.experiment_path,
        arguments.config_root,
        overrides=arguments.overrides,
        environment=os.environ,
    )
    # Built once, and scored by one graph: what changes are its weights.
    network = build_float_model(config.architecture)
    members = [soup.read_member(name, network, config.architecture) for name in arguments.members]
    if arguments.greedy:
        members = _choose(members, network, config)
    arguments.output.parent.mkdir(parents=True, exist_ok=True)
    soup.take_average(network, members, config.data.labels, shares=arguments.shares)
    save_weights(network, arguments.output)
    soup.write_members(arguments.output, members, arguments.shares)
    print(arguments.output)


def _choose(
    members: 'list[Member]', network: 'keras.Model', config: 'ExperimentConfig'
) -> 'list[Member]':
    from rich.console import Console

    from ssd_training.evaluation.scoring import score_stages, ScoredSplit
    from ssd_training.evaluation.stages import open_network, Stage
    from ssd_training.training import soup

    split, console = ScoredSplit.read(config), Console(stderr=True)
    model = open_network(network, config.architecture)

    def score(candidates: 'Sequence[Member]') -> float:
        name = ' + '.join(candidate.name for candidate in candidates)
        soup.take_average(network, candidates, config.data.labels)
        (scored,) = score_stages([Stage(name, None, lambda: model)], split, console)
        assert scored.analysis is not None, 'it needs no hardware'
        mean_ap = scored.analysis.voc.mean_ap
        print(f'{mean_ap:.4f}  {name}', file=sys.stderr)
        return mean_ap

    chosen, mean_ap = soup.choose_greedily(members, score)
    print(f'{mean_ap:.4f}  chosen: {len(chosen)} of {len(members)}', file=sys.stderr)
    return chosen


if __name__ == '__main__':
    sys.exit(main())
