"""
Build the TensorRT engine of a bundle, on the machine that will use it.

`python -m ssd_detector.build_engine BUNDLE`; an engine that fits already is kept. Then it is run
and compared with the bundle's parity.npz, but for --build_only. With --check_only nothing is
stored, and TensorRT for RTX (tensorrt_rtx) needs no GPU for that.
"""

import argparse
from collections.abc import Sequence
import logging
from pathlib import Path
import sys
from typing import Any

from ssd_detector.backend_selection import PRECISIONS, resolve_precision
from ssd_detector.backends.tensorrt.api import (
    BuildOptions,
    describe_runtime,
    load_module,
    MODULES,
)
from ssd_detector.backends.tensorrt.backend import TensorRtBackend
from ssd_detector.bundles.bundle import AUTO, Bundle, load_bundle
from ssd_detector.command_line import Parser, run_command
from ssd_detector.engines import (
    build,
    check_engine,
    find_engine,
    gpu_model_name,
    store_engine,
)

logger = logging.getLogger(__name__)


def build_for_bundle(
    bundle: Bundle,
    trt: Any,
    options: BuildOptions,
    *,
    model: str = AUTO,
    folder: Path | None = None,
    rebuild: bool = False,
) -> Path:
    """
    Build the engine of a bundle, unless one that fits is there.

    :param bundle: from load_bundle
    :param trt: from load_module
    :param options: precision, workspace, timing cache
    :param model: a file of the bundle; auto takes the one of the precision
    :param folder: of the engines; None is default_folder
    :param rebuild: also when one fits
    :return: the engine's path
    :raises BackendError: when there is no GPU or TensorRT refuses the file
    """
    engine = find_engine(bundle, trt, precision=options.precision, model=model, folder=folder)
    if not engine.misfits and not rebuild:
        logger.info('%s: fits; kept', engine.path)
        return engine.path
    for reason in engine.misfits:
        logger.info('building: %s', reason)
    store_engine(engine, trt, options)
    return engine.path


def main(argv: Sequence[str] | None = None) -> int:
    """
    Build one engine; its path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    arguments = _parse(argv)
    logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stderr)
    return run_command(lambda: _print_engine(arguments))


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = Parser(prog='python -m ssd_detector.build_engine', description=__doc__)
    parser.add_argument('bundle', type=Path, help="the bundle's folder")
    parser.add_argument('--precision', default=AUTO, choices=PRECISIONS)
    parser.add_argument('--model', default=AUTO, help='a file of the bundle')
    parser.add_argument('--workspace_mib', type=int, default=1024, help='memory for tactics')
    parser.add_argument('--timing_cache', type=Path, help='file that makes the next build faster')
    parser.add_argument('--engine_folder', type=Path, help='where engines lie')
    parser.add_argument('--runtime', choices=MODULES, help='the Python package')
    parser.add_argument('--rebuild', action='store_true', help='also when an engine fits')
    parser.add_argument('--build_only', action='store_true', help='do not run what was built')
    parser.add_argument(
        '--check_only', action='store_true', help='parse and build, but store nothing'
    )
    return parser.parse_args(argv)


def _print_engine(arguments: argparse.Namespace) -> None:
    print(_run(arguments))


def _run(arguments: argparse.Namespace) -> str:
    bundle = load_bundle(arguments.bundle)
    trt = load_module(arguments.runtime)
    precision = resolve_precision(bundle, arguments.precision, arguments.model)
    options = BuildOptions(precision, arguments.workspace_mib, arguments.timing_cache)
    if arguments.check_only:
        path = bundle.model_path(arguments.model, gpu_model_name(bundle, precision))
        engine = build(path, trt, options)
        return (
            f'{path}: {describe_runtime(trt)} builds it, {len(engine)} bytes; nothing was stored'
        )
    path = build_for_bundle(
        bundle,
        trt,
        options,
        model=arguments.model,
        folder=arguments.engine_folder,
        rebuild=arguments.rebuild,
    )
    if not arguments.build_only:
        check_engine(TensorRtBackend(path, trt), bundle, precision)
    return str(path)


if __name__ == '__main__':
    sys.exit(main())
