"""Convert the SavedModel of an export to ONNX: `python -m ssd_training.convert`."""

import argparse
from collections.abc import Sequence
import sys

from ssd_training.command_line import deploy_parser, read_build, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """
    Convert one model, validate it, write the bundle; its path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    arguments = deploy_parser('convert', __doc__ or '').parse_args(argv)
    return run_command(lambda: _convert(arguments))


def _convert(arguments: argparse.Namespace) -> None:
    build = read_build(arguments)
    if build is None:
        return
    from ssd_training.deploy.chain import assemble, convert, validate

    convert(build)
    validate(build)
    print(assemble(build).path)


if __name__ == '__main__':
    sys.exit(main())
