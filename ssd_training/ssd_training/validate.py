"""Check every stage of a deployment against the one before: `python -m ssd_training.validate`."""

import argparse
from collections.abc import Sequence
import sys
from typing import TYPE_CHECKING

from ssd_training.deployment.arguments import add_parity_images, run_step

if TYPE_CHECKING:
    from ssd_training.deployment.build import Build


def main(argv: Sequence[str] | None = None) -> int:
    """
    Print inputs, outputs, differences and PASS or FAIL.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    return run_step(
        argv, 'validate', __doc__ or '', arguments=(add_parity_images,), action=_validate
    )


def _validate(arguments: argparse.Namespace, build: 'Build') -> None:
    from ssd_detector.backends.onnxruntime import read_shapes
    from ssd_detector.bundles.contents import MODEL
    from ssd_detector.errors import SsdDetectorError
    from ssd_training.deployment.assembly import assemble
    from ssd_training.deployment.steps import read_parity_images, validate

    try:
        for name, shape in read_shapes(build.file(MODEL)).items():
            print(f'{name} {list(shape)}')
        for difference in validate(build, read_parity_images(arguments.parity_images)):
            print(difference)
        assemble(build)
    except SsdDetectorError:
        print('FAIL')
        raise
    print('PASS')


if __name__ == '__main__':
    sys.exit(main())
