"""Check every stage of a deployment against the one before: `python -m ssd_training.validate`."""

import argparse
from collections.abc import Sequence
from pathlib import Path
import sys

from ssd_training.command_line import deploy_parser, read_build, run_command


def main(argv: Sequence[str] | None = None) -> int:
    """
    Print inputs, outputs, differences and PASS or FAIL.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    parser = deploy_parser('validate', __doc__ or '')
    add_parity_images(parser)
    arguments = parser.parse_args(argv)
    code = run_command(lambda: _validate(arguments))
    if not arguments.print_config:
        print('PASS' if code == 0 else 'FAIL')
    return code


def add_parity_images(parser: argparse.ArgumentParser) -> None:
    """
    Let a command take the images of parity.npz.

    :param parser: of the command
    """
    parser.add_argument(
        '--parity_images',
        type=Path,
        help='a folder of photographs that may be given away (default: drawn ones)',
    )


def _validate(arguments: argparse.Namespace) -> None:
    build = read_build(arguments)
    if build is None:
        return
    from ssd_detector.backends.onnxruntime import read_shapes
    from ssd_detector.bundle import MODEL
    from ssd_training.deploy.chain import assemble, read_parity_images, validate

    for name, shape in read_shapes(build.file(MODEL)).items():
        print(f'{name} {list(shape)}')
    for difference in validate(build, read_parity_images(arguments.parity_images)):
        print(difference)
    assemble(build)


if __name__ == '__main__':
    sys.exit(main())
