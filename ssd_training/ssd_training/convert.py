"""Convert the SavedModel of an export to ONNX: `python -m ssd_training.convert`."""

import argparse
from collections.abc import Sequence
import sys
from typing import TYPE_CHECKING

from ssd_training.deployment.arguments import add_converter, run_step

if TYPE_CHECKING:
    from ssd_training.deployment.build import Build


def main(argv: Sequence[str] | None = None) -> int:
    """
    Convert one model, validate it, write the bundle; its path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    return run_step(argv, 'convert', __doc__ or '', arguments=(add_converter,), action=_convert)


def _convert(arguments: argparse.Namespace, build: 'Build') -> None:
    from ssd_training.deployment.assembly import assemble
    from ssd_training.deployment.steps import convert, validate

    convert(build, arguments.converter)
    validate(build)
    print(assemble(build).path)


if __name__ == '__main__':
    sys.exit(main())
