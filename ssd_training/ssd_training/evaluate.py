"""
Score a model on the val split, every stage of a bundle, or two results against each other.

    python -m ssd_training.evaluate SOURCE
    python -m ssd_training.evaluate --chain BUNDLE
    python -m ssd_training.evaluate --compare A B
"""

import argparse
from collections.abc import Sequence
import json
import os
from pathlib import Path
import sys
from typing import Any, TYPE_CHECKING

from ssd_detector.command_line import Parser
from ssd_training.command_line import CONFIG_ROOT, run_command

if TYPE_CHECKING:
    from ssd_detector.bundles.bundle import Bundle
    from ssd_detector.report.comparison import Side
    from ssd_training.evaluation.inputs import Experiment
    from ssd_training.evaluation.scoring import Score, ScoredSplit
    from ssd_training.evaluation.stages import Stage
    from ssd_training.experiments.schema import ExperimentConfig


def main(argv: Sequence[str] | None = None) -> int:
    """
    Score; the result goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed or a gate missed, 2 wrong usage
    """
    arguments = _parse(argv)
    if arguments.compare:
        return run_command(lambda: _compare(arguments))
    return run_command(lambda: _evaluate(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(
        prog='python -m ssd_training.evaluate',
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument(
        'source',
        nargs='?',
        type=Path,
        help='bundle, run folder, *.weights.h5, ckpt-<step>.npz, the archive *.npz of a detector, '
        'SavedModel, *.onnx, *.engine, or COCO results *.json',
    )
    what.add_argument('--chain', type=Path, metavar='BUNDLE', help='every stage of a bundle')
    what.add_argument(
        '--compare',
        type=Path,
        nargs=2,
        metavar=('A', 'B'),
        help='folders of --report, their metrics.json, or COCO results',
    )
    parser.add_argument('--report', type=Path, metavar='DIR', help='write an HTML page and JSON')
    parser.add_argument('--json', action='store_true', help='print JSON instead of a table')
    _add_chain(parser)
    _add_experiment(parser)
    return parser.parse_args(argv)


def _add_chain(parser: argparse.ArgumentParser) -> None:
    parser.add_argument('--min_map', type=float, help='exit with 1 below this mAP, in [0, 1]')
    parser.add_argument(
        '--max_loss',
        type=float,
        default=1.0,
        help='with --chain: points of mAP a stage may lose (1)',
    )
    parser.add_argument('--max-loss', type=float, action=_OldLoss, help=argparse.SUPPRESS)
    parser.add_argument(
        '--checkpoint',
        type=Path,
        help='with --chain: run folder, *.weights.h5, ckpt-<step>.npz, archive *.npz',
    )
    parser.add_argument(
        '--saved_model', type=Path, help='with --chain (default: BUNDLE_build/saved_model)'
    )
    parser.add_argument(
        '--precision',
        choices=('FP32', 'FP16', 'INT8'),
        help='with --chain: of the TensorRT engine (default: INT8 where the bundle has it)',
    )


class _OldLoss(argparse.Action):
    """Takes --max-loss, which was mAP while --max_loss of the other commands was points of it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        namespace.max_loss = 100 * values
        print(
            f'{option_string} {values:g}: taken as mAP, as it was, so {100 * values:g} points; '
            f'write --max_loss {100 * values:g}',
            file=sys.stderr,
        )


def _add_experiment(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--experiment_path',
        type=Path,
        help='data and settings (default: those of the bundle or run); overrides of a run need it',
    )
    parser.add_argument('--config_root', type=Path, default=CONFIG_ROOT, help='of the experiment')
    parser.add_argument('--overrides', nargs='+', default=[], metavar='key.path=value')


def _evaluate(arguments: argparse.Namespace) -> None:
    # These take seconds; --help must not wait for them.
    from ssd_detector.errors import EvaluationError
    from ssd_training.evaluation import gates, tables
    from ssd_training.runs.files import write_json

    scores, split = _score(arguments)
    tree = tables.to_tree(scores, len(split.records))
    if arguments.json:
        print(json.dumps(tree, indent=2, allow_nan=False))
    else:
        print(tables.format_stages(scores, len(split.records)))
        if len(scores) == 1 and scores[0].result:
            print(f'\n{tables.format_result(scores[0].result)}')
    if arguments.report:
        _report(scores, split, arguments)
        if arguments.chain:
            write_json(arguments.report / 'chain.json', tree)
    failures = gates.find_failures(scores, min_map=arguments.min_map, max_loss=arguments.max_loss)
    if failures:
        raise EvaluationError(failures)


def _score(arguments: argparse.Namespace) -> 'tuple[list[Score], ScoredSplit]':
    from rich.console import Console

    from ssd_training.evaluation import inputs, report_folder, scoring

    path: Path = arguments.chain or arguments.source
    inputs.check_exists(path)
    bundle = inputs.find_bundle(path)
    config = inputs.read_experiment(path, bundle, _experiment(arguments))
    if arguments.report:
        report_folder.make_folder(arguments.report)
    split = scoring.ScoredSplit.read(config)
    if path.suffix == '.json':
        return [scoring.score_detections(path, split)], split
    if bundle and (differences := scoring.tell_differences(bundle, config.eval)):
        print(differences, file=sys.stderr)
    if arguments.chain:
        stages = _list_chain(inputs.require_bundle(path, bundle), config, arguments)
    else:
        stages = [
            inputs.find_stage(path, bundle, architecture=config.architecture, ema=config.train.ema)
        ]
    return list(scoring.score_stages(stages, split, Console(stderr=True))), split


def _list_chain(
    bundle: 'Bundle', config: 'ExperimentConfig', arguments: argparse.Namespace
) -> 'list[Stage]':
    from ssd_training.evaluation.bundle_stages import chain_stages

    return chain_stages(
        bundle,
        config.architecture,
        ema=config.train.ema,
        checkpoint=arguments.checkpoint,
        saved_model=arguments.saved_model,
        precision=arguments.precision,
    )


def _report(
    scores: 'Sequence[Score]', split: 'ScoredSplit', arguments: argparse.Namespace
) -> None:
    from ssd_training.evaluation.report_folder import write_report

    for score in scores:
        if score.result is None:
            continue
        folder: Path = arguments.report
        if arguments.chain:
            folder = folder / score.stage.name.lower().replace(' ', '_')
        page = write_report(score, split.records, folder)
        print(f'report: {page}', file=sys.stderr)


def _compare(arguments: argparse.Namespace) -> None:
    from ssd_detector.report.comparison import compare_results, format_comparison, to_tree
    from ssd_training.evaluation.report_folder import write_comparison

    first, second = (_read_side(path, arguments) for path in arguments.compare)
    comparison = compare_results(first, second)
    if arguments.json:
        print(json.dumps(to_tree(comparison), indent=2, allow_nan=False))
    else:
        print(format_comparison(comparison))
    if arguments.report:
        page = write_comparison(comparison, arguments.report)
        print(f'report: {page}', file=sys.stderr)


def _read_side(path: Path, arguments: argparse.Namespace) -> 'Side':
    from ssd_detector.report.comparison import Side
    from ssd_detector.report.files import METRICS
    from ssd_training.evaluation import inputs, report_folder, scoring

    inputs.check_exists(path)
    if path.is_dir() or path.name == METRICS:
        return report_folder.read_side(path)
    config = inputs.read_experiment(path, None, _experiment(arguments))
    score = scoring.score_detections(path, scoring.ScoredSplit.read(config))
    assert score.result is not None and score.analysis is not None
    return Side(str(path), score.result, score.analysis.matching)


def _experiment(arguments: argparse.Namespace) -> 'Experiment':
    from ssd_training.evaluation.inputs import Experiment

    return Experiment(
        arguments.experiment_path, arguments.config_root, arguments.overrides, os.environ
    )


if __name__ == '__main__':
    sys.exit(main())
