"""Export a bundle: `python -m ssd_training.export --deploy_config FILE --checkpoint RUN`."""

import argparse
from collections.abc import Sequence
import logging
import os
from pathlib import Path
import sys

CONFIG_ROOT = Path(__file__).parent / 'configs'


def main(argv: Sequence[str] | None = None) -> int:
    """
    Export one model; the bundle's path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    arguments = _parse(argv)
    # These take seconds; --help must not wait for them.
    from ssd_detector.errors import ConfigError, FindingsError

    logging.basicConfig(level=logging.WARNING, format='%(message)s', stream=sys.stderr)
    logging.getLogger('ssd_training').setLevel(logging.INFO)
    try:
        _export(arguments)
    except FindingsError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, ConfigError) else 1
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog='python -m ssd_training.export', description=__doc__)
    parser.add_argument(
        '--deploy_config',
        type=Path,
        required=True,
        help='YAML file; a relative path may start at the config root',
    )
    parser.add_argument(
        '--checkpoint',
        type=Path,
        required=True,
        help='run folder, or a file *.weights.h5 of the experiment that the deploy config names',
    )
    parser.add_argument(
        '--output_dir', type=Path, help='the bundle (default: exported_model/<model_name>)'
    )
    parser.add_argument(
        '--config_root',
        type=Path,
        default=CONFIG_ROOT,
        help='folder of the component files (default: the configs of this package)',
    )
    parser.add_argument(
        '--print_config', action='store_true', help='show the values and their origin, and stop'
    )
    return parser.parse_args(argv)


def _export(arguments: argparse.Namespace) -> None:
    from ssd_training.deploy import bundle_export
    from ssd_training.experiments.merge import format_tree

    deploy, merged = bundle_export.load_deploy_config(
        arguments.deploy_config, arguments.config_root, os.environ
    )
    if arguments.print_config:
        print(format_tree(merged))
        return
    source = bundle_export.read_source(
        arguments.checkpoint, deploy, arguments.config_root, os.environ
    )
    path = arguments.output_dir or Path('exported_model', deploy.model_name)
    bundle = bundle_export.export_bundle(source, deploy, merged.tree, path)
    print(bundle.path)


if __name__ == '__main__':
    sys.exit(main())
