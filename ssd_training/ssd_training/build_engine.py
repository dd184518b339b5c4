"""
Build the TensorRT engine of a bundle here: `python -m ssd_training.build_engine`.

On the robot, without the training package: `python -m ssd_detector.build_engine BUNDLE`.
"""

import argparse
from collections.abc import Sequence
import sys
from typing import TYPE_CHECKING

from ssd_training.deployment.arguments import add_engine, run_step

if TYPE_CHECKING:
    from ssd_training.deployment.build import Build


def main(argv: Sequence[str] | None = None) -> int:
    """
    Build one engine; its path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    return run_step(argv, 'build_engine', __doc__ or '', arguments=(add_engine,), action=_build)


def _build(arguments: argparse.Namespace, build: 'Build') -> None:
    from ssd_detector.bundles.bundle import load_bundle
    from ssd_training.deployment.after_bundle import build_engine

    print(build_engine(load_bundle(build.bundle_path), arguments))


if __name__ == '__main__':
    sys.exit(main())
