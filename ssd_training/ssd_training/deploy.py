"""
From a checkpoint to a whole bundle: export, convert, quantize, validate, verify; then an engine.

`python -m ssd_training.deploy --deploy_config FILE --checkpoint RUN`. Prediction and benchmark
follow where the deploy config has the sections deploy.prediction and deploy.benchmark.
"""

import argparse
from collections.abc import Sequence
import os
import sys
from typing import TYPE_CHECKING

from ssd_training.deployment.arguments import (
    add_card_notes,
    add_checkpoint,
    add_converter,
    add_engine,
    add_parity_images,
    add_quantization,
    run_step,
)
from ssd_training.quantize import read_options

if TYPE_CHECKING:
    from ssd_training.deployment.build import Build


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run every step; the bundle's path goes to stdout, after a line for each file.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    return run_step(
        argv,
        'deploy',
        __doc__ or '',
        arguments=(
            add_checkpoint,
            add_converter,
            add_quantization,
            add_parity_images,
            add_card_notes,
            add_engine,
        ),
        action=_deploy,
    )


def _deploy(arguments: argparse.Namespace, build: 'Build') -> None:
    from ssd_training.deployment.after_bundle import after_bundle
    from ssd_training.deployment.assembly import assemble
    from ssd_training.deployment.build import CARD_NOTES
    from ssd_training.deployment.model_card import read_card_notes
    from ssd_training.deployment.steps import convert, export, read_parity_images, validate
    from ssd_training.deployment.trained_model import find_trained_model
    from ssd_training.quantization.step import quantize

    trained = find_trained_model(
        arguments.checkpoint, build.deploy, arguments.config_root, os.environ
    )
    # Before the work of minutes.
    notes = read_card_notes(arguments.card_notes) if arguments.card_notes else ''
    export(trained, build)
    (build.path / CARD_NOTES).write_text(notes, encoding='utf-8')
    convert(build, arguments.converter)
    quantize(build, read_options(arguments))
    validate(build, read_parity_images(arguments.parity_images))
    bundle = assemble(build)
    for line in after_bundle(bundle, build, arguments):
        print(line)
    print(bundle.path)


if __name__ == '__main__':
    sys.exit(main())
