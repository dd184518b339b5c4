"""Write the INT8 files of an exported bundle: `python -m ssd_training.quantize`."""

import argparse
from collections.abc import Sequence
import sys
from typing import TYPE_CHECKING

from ssd_training.deployment.arguments import add_parity_images, add_quantization, run_step

if TYPE_CHECKING:
    from ssd_training.deployment.build import Build
    from ssd_training.quantization.step import QuantizeOptions


def main(argv: Sequence[str] | None = None) -> int:
    """
    Quantize one model, validate it, write the bundle; its path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    return run_step(
        argv,
        'quantize',
        __doc__ or '',
        arguments=(add_quantization, add_parity_images, _add_sensitivity),
        action=_quantize,
    )


def _add_sensitivity(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--sensitivity',
        action='store_true',
        help='only report which layers quantization hurts: a table, and sensitivity.html beside '
        'the bundle; minutes',
    )


def read_options(arguments: argparse.Namespace) -> 'QuantizeOptions':
    """
    Read how to quantize.

    :param arguments: of add_quantization
    :return: the options
    """
    from dataclasses import fields

    from ssd_training.quantization.step import QuantizeOptions

    given = vars(arguments)
    names = [field.name for field in fields(QuantizeOptions)]
    return QuantizeOptions(**{name: given[name] for name in names if name in given})


def _quantize(arguments: argparse.Namespace, build: 'Build') -> None:
    from ssd_training.deployment.assembly import assemble
    from ssd_training.deployment.steps import read_parity_images, validate
    from ssd_training.quantization.step import quantize, report_sensitivity

    options = read_options(arguments)
    if arguments.sensitivity:
        print(report_sensitivity(build, options))
        return
    quantize(build, options)
    validate(build, read_parity_images(arguments.parity_images))
    print(assemble(build).path)


if __name__ == '__main__':
    sys.exit(main())
