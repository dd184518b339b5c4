"""
Time a bundle on this machine, beside other runtimes: `python -m ssd_training.benchmark BUNDLE`.

Every file in every backend that runs here, and TensorFlow, LiteRT and cv2.dnn, take turns in one
process on the same images; what can't run is named with the reason.
"""

import argparse
from collections.abc import Sequence
import json
from pathlib import Path
import sys

from ssd_detector.command_line import Parser
from ssd_training.command_line import positive, run_command
from ssd_training.deployment.arguments import add_deploy_config, read_deploy_config


def main(argv: Sequence[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    arguments = _parse(argv)
    return run_command(lambda: _benchmark(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog='python -m ssd_training.benchmark', description=__doc__)
    parser.add_argument('bundle', nargs='?', type=Path, help='(default: the released one)')
    add_deploy_config(parser)
    parser.add_argument('--threads', type=positive, nargs='+', help='of an inference (1)')
    parser.add_argument('--batch_sizes', type=positive, nargs='+', help='images at once (1)')
    parser.add_argument('--rounds', type=positive, help='that count (100)')
    parser.add_argument(
        '--images', type=Path, help='a folder (default: those of parity.npz, at 640x480)'
    )
    parser.add_argument(
        '--saved_model',
        type=Path,
        help='for TensorFlow and LiteRT (default: <bundle>_build/saved_model)',
    )
    parser.add_argument('--json', action='store_true', help='instead of the table')
    return parser.parse_args(argv)


def _benchmark(arguments: argparse.Namespace) -> None:
    from rich.console import Console

    from ssd_detector.bundles.bundle import load_bundle
    from ssd_detector.bundles.deploy_config import BenchmarkSettings
    from ssd_training.benchmarking.report import (
        BenchmarkOptions,
        format_report,
        run_benchmark,
    )
    from ssd_training.deployment.bundles import choose_bundle
    from ssd_training.progress import count_progress

    config = read_deploy_config(arguments)
    path = choose_bundle(arguments.bundle, config)
    settings = (config and config.deploy.benchmark) or BenchmarkSettings()
    options = BenchmarkOptions(
        saved_model=arguments.saved_model or path.with_name(f'{path.name}_build') / 'saved_model',
        threads=tuple(arguments.threads or settings.threads),
        batch_sizes=tuple(arguments.batch_sizes or settings.batch_sizes),
        num_rounds=arguments.rounds or settings.num_rounds,
        images=arguments.images,
    )
    with count_progress(
        Console(stderr=True), 'benchmark', options.total_rounds, unit='rounds'
    ) as count:
        report = run_benchmark(load_bundle(path), options, count)
    print(json.dumps(report, indent=2) if arguments.json else format_report(report))


if __name__ == '__main__':
    sys.exit(main())
