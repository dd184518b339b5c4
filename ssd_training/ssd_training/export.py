"""Export a bundle: `python -m ssd_training.export --deploy_config FILE --checkpoint RUN`."""

import argparse
from collections.abc import Sequence
import os
import sys
from typing import TYPE_CHECKING

from ssd_training.deployment.arguments import add_checkpoint, run_step

if TYPE_CHECKING:
    from ssd_training.deployment.build import Build


def main(argv: Sequence[str] | None = None) -> int:
    """
    Export one model; the bundle's path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    return run_step(
        argv,
        'export',
        __doc__ or '',
        arguments=(add_checkpoint, _add_variants),
        action=_export,
    )


def _add_variants(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--uint8_input',
        action='store_true',
        help='also write model_uint8.onnx, which takes 0..255, beside the bundle',
    )
    parser.add_argument(
        '--raw_heads',
        action='store_true',
        help='also write what compilers of NPUs (Hailo) take, beside the bundle',
    )


def _export(arguments: argparse.Namespace, build: 'Build') -> None:
    from ssd_training.deployment.steps import export_bundle, export_uint8
    from ssd_training.deployment.trained_model import find_trained_model
    from ssd_training.quantization.raw_heads import check_centers, export_raw_heads

    trained = find_trained_model(
        arguments.checkpoint, build.deploy, arguments.config_root, os.environ
    )
    if arguments.raw_heads:
        check_centers(trained.config.priors, trained.config.input_size[0])
    bundle = export_bundle(trained, build)
    if arguments.uint8_input:
        export_uint8(trained, build)
    if arguments.raw_heads:
        export_raw_heads(trained, build)
    print(bundle.path)


if __name__ == '__main__':
    sys.exit(main())
