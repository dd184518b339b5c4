"""The TensorRT engine that a bundle needs on this machine: looked up, and built."""

from dataclasses import dataclass
import hashlib
import logging
from pathlib import Path
from typing import Any

from ssd_detector.backends.backend import Backend
from ssd_detector.backends.tensorrt.api import (
    build_engine,
    BuildOptions,
    describe_runtime,
    Progress,
    supports_precision,
)
from ssd_detector.backends.tensorrt.cuda import find_gpu, Gpu
from ssd_detector.backends.tensorrt.engine_cache import default_folder, EngineCache, EngineKey
from ssd_detector.bundles.bundle import AUTO, Bundle
from ssd_detector.bundles.contents import INT8_TRT, MODEL, MODEL_FP16, PARITY
from ssd_detector.errors import BackendError
from ssd_detector.proofs.parity import verify_backend
from ssd_detector.proofs.parity_file import read_parity

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Engine:
    """
    The engine of a model file on this machine, also when it is not built yet.

    :param model_path: the ONNX file
    :param path: of the engine
    :param key: what it has to be built for
    :param misfits: why what lies there can't be used, one sentence a reason; empty when it fits
    """

    model_path: Path
    path: Path
    key: EngineKey
    misfits: tuple[str, ...]


def require_gpu() -> Gpu:
    """
    Look up the GPU.

    :return: what an engine has to be built for
    :raises BackendError: when there is none
    """
    gpu = find_gpu()
    if gpu is None:
        raise BackendError(
            'no NVIDIA GPU is to be seen (no driver, or a container without --gpus); an engine is '
            'built on the machine that will run it'
        )
    return gpu


def find_engine(
    bundle: Bundle, trt: Any, *, precision: str, model: str = AUTO, folder: Path | None = None
) -> Engine:
    """
    Look up the engine of a bundle.

    :param bundle: from load_bundle
    :param trt: from load_module
    :param precision: FP32, FP16 or INT8
    :param model: a file of the bundle; auto takes the one of the precision
    :param folder: of the engines; None is default_folder
    :return: the engine, and why it can't be used if so
    :raises BackendError: when there is no GPU
    :raises BundleError: when the bundle has no such model
    """
    gpu = require_gpu()
    model_path = bundle.model_path(model, gpu_model_name(bundle, precision))
    cache = EngineCache(folder or default_folder(bundle.manifest.name))
    path = cache.path(model_path.name, precision)
    key = engine_key(model_path, runtime=describe_runtime(trt), gpu=gpu, precision=precision)
    return Engine(model_path, path, key, tuple(cache.find_misfits(path, key)))


def store_engine(
    engine: Engine, trt: Any, options: BuildOptions, progress: Progress | None = None
) -> None:
    """
    Build an engine and put it where it belongs.

    :param engine: from find_engine
    :param trt: from load_module
    :param options: precision, workspace, timing cache
    :param progress: is told what the builder does
    :raises BackendError: when TensorRT refuses the file or the result can't be stored
    """
    content = build(engine.model_path, trt, options, progress)
    try:
        EngineCache(engine.path.parent).store(engine.path, engine.key, content)
    except OSError as error:
        raise BackendError(
            f'{engine.path}: can not be written ({error}); choose another folder (engine_folder, '
            f'or XDG_CACHE_HOME)'
        ) from error


def check_engine(backend: Backend, bundle: Bundle, precision: str) -> None:
    """
    Refuse an engine that gives other boxes than the network that was trained.

    :param backend: runs the engine
    :param bundle: that it was built from; without parity.npz nothing is compared
    :param precision: FP32, FP16 or INT8
    :raises BackendError: when the boxes are others
    """
    if PARITY not in bundle.manifest.files:
        logger.info('%s: is not in the bundle; nothing to compare with', bundle.path / PARITY)
        return
    parity = read_parity(bundle)
    verification = verify_backend(backend, parity, precision=precision, path=bundle.path)
    if not verification.is_good:
        raise BackendError(
            f'{verification}; the engine is not used: build it with another precision'
        )
    logger.info('%s', verification)


def build(
    model_path: Path, trt: Any, options: BuildOptions, progress: Progress | None = None
) -> bytes:
    """
    Build an engine of one file.

    :param model_path: the ONNX file
    :param trt: from load_module
    :param options: precision, workspace, timing cache
    :param progress: is told what the builder does; None logs it
    :return: the serialized engine
    :raises BackendError: when TensorRT refuses the file
    """
    is_of_file = model_path.name == MODEL_FP16 or supports_precision(trt, options.precision)
    if options.precision == 'FP16' and not is_of_file:
        raise BackendError(
            f'{model_path}: {describe_runtime(trt)} takes the precision from the file, and this '
            f'one is not {MODEL_FP16}; deploy the model again, which writes it, or build FP32 or '
            f'INT8'
        )
    return build_engine(trt, model_path, options, progress or logger.info)


def gpu_model_name(bundle: Bundle, precision: str) -> str:
    """
    Name the file that TensorRT takes.

    :param bundle: those of before have no file in float16; TensorRT up to 10 can do without
    :param precision: FP32, FP16 or INT8
    :return: a file of a bundle
    """
    if precision == 'FP16' and MODEL_FP16 in bundle.manifest.models:
        return MODEL_FP16
    return INT8_TRT if precision == 'INT8' else MODEL


def engine_key(model_path: Path, *, runtime: str, gpu: Gpu, precision: str) -> EngineKey:
    """
    Say what an engine of a model has to be built for on this machine.

    :param model_path: the ONNX file
    :param runtime: from describe_runtime
    :param gpu: from find_gpu
    :param precision: FP32, FP16 or INT8
    :return: the key
    """
    return EngineKey(
        model_sha256=hashlib.sha256(model_path.read_bytes()).hexdigest(),
        runtime=runtime,
        gpu_name=gpu.name,
        compute_capability=gpu.compute_capability,
        precision=precision,
    )
