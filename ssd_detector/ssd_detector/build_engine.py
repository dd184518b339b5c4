"""
Build the TensorRT engine of a bundle, on the machine that will use it.

`python -m ssd_detector.build_engine BUNDLE`; an engine that fits already is kept. With
--check_only nothing is stored, and TensorRT for RTX (tensorrt_rtx) needs no GPU for that.
"""

import argparse
from collections.abc import Sequence
import logging
from pathlib import Path
import sys
import tempfile
from typing import Any

from ssd_detector.backends.cuda import find_gpu
from ssd_detector.backends.engine_cache import default_folder, EngineCache
from ssd_detector.backends.selection import (
    engine_key,
    gpu_model_name,
    PRECISIONS,
    resolve_precision,
)
from ssd_detector.backends.tensorrt_api import (
    build_engine,
    BuildOptions,
    describe_runtime,
    load_module,
    MODULES,
    supports_precision,
)
from ssd_detector.bundle import AUTO, Bundle, load_bundle
from ssd_detector.errors import BackendError, SsdDetectorError

logger = logging.getLogger(__name__)


def build_for_bundle(
    bundle: Bundle, trt: Any, options: BuildOptions, *, model: str = AUTO, folder: Path | None
) -> Path:
    """
    Build the engine of a bundle, unless one that fits is there.

    :param bundle: from load_bundle
    :param trt: from load_module
    :param options: precision, workspace, timing cache
    :param model: a file of the bundle; auto takes the one of the precision
    :param folder: of the engines; None is default_folder
    :return: the engine's path
    :raises BackendError: when there is no GPU or TensorRT refuses the file
    """
    gpu = find_gpu()
    if gpu is None:
        raise BackendError(
            'build_engine: no NVIDIA GPU is to be seen (no driver, or a container without --gpus);'
            ' build on the machine that will run the engine, or see --check_only'
        )
    model_path = bundle.model_path(model, gpu_model_name(options.precision))
    key = engine_key(
        model_path, runtime=describe_runtime(trt), gpu=gpu, precision=options.precision
    )
    cache = EngineCache(folder or default_folder(bundle.manifest.name))
    path = cache.path(model_path.name, options.precision)
    misfits = cache.find_misfits(path, key)
    if not misfits:
        logger.info('%s: fits; kept', path)
        return path
    for reason in misfits:
        logger.info('building: %s', reason)
    cache.store(path, key, build(model_path, trt, options))
    return path


def build(model_path: Path, trt: Any, options: BuildOptions) -> bytes:
    """
    Build an engine of one file; float16 goes into the file where there is no flag for it.

    :param model_path: the ONNX file
    :param trt: from load_module
    :param options: precision, workspace, timing cache
    :return: the serialized engine
    :raises BackendError: when TensorRT refuses the file
    """
    if options.precision != 'FP16' or supports_precision(trt, 'FP16'):
        return build_engine(trt, model_path, options, logger.info)
    try:
        import onnx
        from onnxruntime.transformers.float16 import convert_float_to_float16
    except ImportError as error:
        raise BackendError(
            f'{describe_runtime(trt)}: takes the precision from the file, and writing a float16 '
            f'one needs onnx ({error}); pip install onnx, or build FP32 or INT8'
        ) from error
    with tempfile.TemporaryDirectory() as scratch:
        half_path = Path(scratch, f'half_{model_path.name}')
        onnx.save(convert_float_to_float16(onnx.load(model_path), keep_io_types=True), half_path)
        return build_engine(trt, half_path, options, logger.info)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Build one engine; its path goes to stdout.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed
    """
    arguments = _parse(argv)
    logging.basicConfig(level=logging.INFO, format='%(message)s', stream=sys.stderr)
    try:
        print(_run(arguments))
    except SsdDetectorError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog='python -m ssd_detector.build_engine', description=__doc__
    )
    parser.add_argument('bundle', type=Path, help="the bundle's folder")
    parser.add_argument('--precision', default=AUTO, choices=PRECISIONS)
    parser.add_argument('--model', default=AUTO, help='a file of the bundle')
    parser.add_argument('--workspace_mib', type=int, default=1024, help='memory for tactics')
    parser.add_argument('--timing_cache', type=Path, help='file that makes the next build faster')
    parser.add_argument('--engine_folder', type=Path, help='where engines lie')
    parser.add_argument('--runtime', choices=MODULES, help='the Python package')
    parser.add_argument(
        '--check_only', action='store_true', help='parse and build, but store nothing'
    )
    return parser.parse_args(argv)


def _run(arguments: argparse.Namespace) -> str:
    bundle = load_bundle(arguments.bundle)
    trt = load_module(arguments.runtime)
    precision = resolve_precision(bundle, arguments.precision)
    options = BuildOptions(precision, arguments.workspace_mib, arguments.timing_cache)
    if arguments.check_only:
        path = bundle.model_path(arguments.model, gpu_model_name(precision))
        engine = build(path, trt, options)
        return (
            f'{path}: {describe_runtime(trt)} builds it, {len(engine)} bytes; nothing was stored'
        )
    return str(
        build_for_bundle(
            bundle, trt, options, model=arguments.model, folder=arguments.engine_folder
        )
    )


if __name__ == '__main__':
    sys.exit(main())
