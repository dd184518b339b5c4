"""
Build the TensorRT engine of an exported bundle, on this machine: `python -m ssd_training.engine`.

On the robot, without the training package: `python -m ssd_detector.build_engine BUNDLE`.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from ssd_training.command_line import deploy_parser, read_build, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """
    Build one engine; its path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    parser = deploy_parser('engine', __doc__ or '')
    parser.add_argument('--workspace_mib', type=int, default=1024, help='memory for tactics')
    parser.add_argument('--timing_cache', type=Path, help='file that makes the next build faster')
    parser.add_argument('--engine_folder', type=Path, help='where engines lie')
    arguments = parser.parse_args(argv)
    return run_command(lambda: _build(arguments))


def _build(arguments: argparse.Namespace) -> None:
    build = read_build(arguments)
    if build is None:
        return
    from ssd_detector.backends.tensorrt_api import BuildOptions, load_module
    from ssd_detector.build_engine import build_for_bundle
    from ssd_detector.bundle import load_bundle

    precision = build.deploy.deploy.runtime.precision
    options = BuildOptions(precision, arguments.workspace_mib, arguments.timing_cache)
    bundle = load_bundle(build.bundle_path)
    print(build_for_bundle(bundle, load_module(), options, folder=arguments.engine_folder))


if __name__ == '__main__':
    sys.exit(main())
