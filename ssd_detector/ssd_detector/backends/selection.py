"""Which backend runs which file of a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
import hashlib
from importlib.util import find_spec
import logging
from pathlib import Path

from ssd_detector.backends.backend import Backend
from ssd_detector.backends.cuda import find_gpu, Gpu
from ssd_detector.backends.engine_cache import default_folder, EngineCache, EngineKey
from ssd_detector.backends.onnxruntime import CPU_PROVIDERS, OnnxRuntimeBackend
from ssd_detector.backends.openvino import OpenVinoBackend
from ssd_detector.backends.tensorrt import TensorRtBackend
from ssd_detector.backends.tensorrt_api import describe_runtime, load_module, MODULES
from ssd_detector.bundle import AUTO, Bundle, INT8_CPU, INT8_TRT, MODEL
from ssd_detector.errors import BackendError

BACKENDS = (AUTO, 'onnxruntime', 'tensorrt', 'openvino')
PRECISIONS = (AUTO, 'FP32', 'FP16', 'INT8')

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackendRequest:
    """
    What shall run a bundle.

    :param backend: one of BACKENDS; auto takes TensorRT when an engine for this machine is there,
        then OpenVINO for INT8 where it is installed, then ONNX Runtime
    :param model: a model file of the bundle; auto takes the one of the precision
    :param precision: one of PRECISIONS; auto is the bundle's deploy.runtime.precision
    :param num_threads: threads of one inference on the CPU; 0 is automatic
    :param providers: of ONNX Runtime, in order of preference
    :param require_gpu: an error instead of a fall back to the CPU
    :param engine_folder: of the TensorRT engines; None is default_folder
    :param use_cuda_graph: TensorRT only
    :raises BackendError: when backend or precision is unknown
    """

    backend: str = AUTO
    model: str = AUTO
    precision: str = AUTO
    num_threads: int = 0
    providers: Sequence[str] = CPU_PROVIDERS
    require_gpu: bool = False
    engine_folder: Path | None = None
    use_cuda_graph: bool = False

    def __post_init__(self) -> None:
        for name, choices in (('backend', BACKENDS), ('precision', PRECISIONS)):
            if getattr(self, name) not in choices:
                raise BackendError(
                    f'{name}: received {getattr(self, name)}; expected one of {", ".join(choices)}'
                )


def open_backend(bundle: Bundle, request: BackendRequest) -> Backend:
    """
    Load a model.

    :param bundle: what was loaded
    :param request: see BackendRequest
    :return: the backend, ready to run
    :raises BundleError: when the bundle has no such model
    :raises BackendError: when it can't be loaded as asked for
    """
    precision = resolve_precision(bundle, request.precision)
    if request.backend in (AUTO, 'tensorrt'):
        path, reasons = _find_engine(bundle, request, precision)
        if path is not None:
            return TensorRtBackend(path, load_module(), use_cuda_graph=request.use_cuda_graph)
        _complain(bundle, request, precision, reasons)
    path = bundle.model_path(request.model, cpu_model_name(precision))
    if request.backend == 'openvino' or (
        request.backend == AUTO and path.name == INT8_CPU and find_spec('openvino') is not None
    ):
        return OpenVinoBackend(path, num_threads=request.num_threads)
    return OnnxRuntimeBackend(
        path,
        num_threads=request.num_threads,
        providers=request.providers,
        require_gpu=request.require_gpu,
    )


def resolve_precision(bundle: Bundle, precision: str) -> str:
    """
    Say which precision `auto` is.

    :param bundle: what was loaded
    :param precision: one of PRECISIONS
    :return: FP32, FP16 or INT8
    """
    return bundle.config.deploy.runtime.precision if precision == AUTO else precision


def cpu_model_name(precision: str) -> str:
    """
    Name the file that ONNX Runtime and OpenVINO take; FP16 gains nothing on a CPU.

    :param precision: FP32, FP16 or INT8
    :return: a file of a bundle
    """
    return INT8_CPU if precision == 'INT8' else MODEL


def gpu_model_name(precision: str) -> str:
    """
    Name the file that TensorRT takes.

    :param precision: FP32, FP16 or INT8
    :return: a file of a bundle
    """
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


def _find_engine(
    bundle: Bundle, request: BackendRequest, precision: str
) -> tuple[Path | None, list[str]]:
    """Find a fitting engine, or the reasons why there is none."""
    if not _has_tensorrt():
        return None, ['the Python package tensorrt is not installed (JetPack brings it)']
    gpu = find_gpu()
    if gpu is None:
        return None, ['no NVIDIA GPU is to be seen (no driver, or a container without --gpus)']
    model_path = bundle.model_path(request.model, gpu_model_name(precision))
    cache = EngineCache(request.engine_folder or default_folder(bundle.manifest.name))
    path = cache.path(model_path.name, precision)
    key = engine_key(
        model_path, runtime=describe_runtime(load_module()), gpu=gpu, precision=precision
    )
    misfits = cache.find_misfits(path, key)
    return (None, misfits) if misfits else (path, [])


def _complain(
    bundle: Bundle, request: BackendRequest, precision: str, reasons: Sequence[str]
) -> None:
    """Refuse to go on without TensorRT where it was asked for; else say how to get it."""
    reason = '; '.join(reasons)
    command = f'python -m ssd_detector.build_engine {bundle.path} --precision {precision}'
    if request.backend == 'tensorrt':
        raise BackendError(f'backend tensorrt: {reason}; run {command}')
    if request.require_gpu and tuple(request.providers) == CPU_PROVIDERS:
        raise BackendError(
            f'require_gpu: {reason}; run {command}, or name providers of onnxruntime-gpu'
        )
    if _has_tensorrt():
        logger.info('no TensorRT engine: %s; run %s', reason, command)


def _has_tensorrt() -> bool:
    return any(find_spec(name) is not None for name in MODULES)
