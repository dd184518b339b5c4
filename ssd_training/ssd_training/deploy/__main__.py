"""
From a checkpoint to a whole bundle: export, convert, quantize, validate, verify.

`python -m ssd_training.deploy --deploy_config FILE --checkpoint RUN`
"""

import argparse
from collections.abc import Sequence
import os
import sys

from ssd_training.command_line import (
    add_checkpoint,
    add_quantization,
    deploy_parser,
    read_build,
    run_command,
)
from ssd_training.quantize import read_options
from ssd_training.validate import add_parity_images


def main(argv: Sequence[str] | None = None) -> int:
    """
    Run every step; the bundle's path goes to stdout, after a line for each file.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    parser = deploy_parser('deploy', __doc__ or '')
    add_checkpoint(parser)
    add_quantization(parser)
    add_parity_images(parser)
    arguments = parser.parse_args(argv)
    return run_command(lambda: _deploy(arguments))


def _deploy(arguments: argparse.Namespace) -> None:
    build = read_build(arguments)
    if build is None:
        return
    from ssd_detector.backends.selection import BackendRequest
    from ssd_detector.verify import verify_bundle
    from ssd_training.deploy.chain import assemble, convert, export, read_parity_images, validate
    from ssd_training.deploy.int8 import quantize
    from ssd_training.deploy.source import read_source
    from ssd_training.errors import ExportError

    source = read_source(arguments.checkpoint, build.deploy, arguments.config_root, os.environ)
    export(source, build)
    convert(build)
    quantize(build, read_options(arguments))
    validate(build, read_parity_images(arguments.parity_images))
    bundle = assemble(build)
    results = [
        verify_bundle(bundle, BackendRequest(backend='onnxruntime', model=name))
        for name in bundle.manifest.models
    ]
    for result in results:
        print(result)
    if not all(result.is_good for result in results):
        raise ExportError([f'{bundle.path}: a file does not give what parity.npz holds'])
    print(bundle.path)


if __name__ == '__main__':
    sys.exit(main())
