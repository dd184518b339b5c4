"""Which backend runs which file of a bundle."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
import logging
from pathlib import Path

from ssd_detector.backends.backend import Backend, Notice
from ssd_detector.backends.cpu_features import multiplies_int8_exactly
from ssd_detector.backends.onnxruntime import CPU_PROVIDERS, OnnxRuntimeBackend
from ssd_detector.backends.openvino import OpenVinoBackend
from ssd_detector.backends.stand_in import StandInBackend
from ssd_detector.backends.tensorrt.api import BuildOptions, load_module, MODULES, Progress
from ssd_detector.backends.tensorrt.backend import TensorRtBackend
from ssd_detector.bundles.bundle import AUTO, Bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT, MODEL, MODEL_FP16
from ssd_detector.cpu_runtimes import Choice, choose_runtime, ONNX_RUNTIME, OPENVINO
from ssd_detector.engines import check_engine, find_engine, require_gpu, store_engine
from ssd_detector.errors import BackendError

BACKENDS = (AUTO, 'onnxruntime', 'tensorrt', 'openvino')
PRECISIONS = (AUTO, 'FP32', 'FP16', 'INT8')
ENGINE_BUILDS = ('background', 'wait', 'off')
_SATURATES = (
    'backend openvino: this CPU has no VNNI, and OpenVINO saturates sums of INT8 products there: '
    'boxes and scores are wrong; take backend onnxruntime, which is exact, or precision FP32'
)
_PRECISIONS_OF_FILES = {MODEL_FP16: 'FP16', INT8_CPU: 'INT8', INT8_TRT: 'INT8'}
_CHOICES = {'backend': BACKENDS, 'precision': PRECISIONS, 'engine_build': ENGINE_BUILDS}

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class BackendRequest:
    """
    What shall run a bundle.

    :param backend: one of BACKENDS; auto takes TensorRT when an engine for this machine is there,
        else of OpenVINO and ONNX Runtime whichever is the faster one here, see cpu_runtimes
    :param model: a model file of the bundle; auto takes the one of the precision
    :param precision: one of PRECISIONS; auto is the bundle's deploy.runtime.precision
    :param num_threads: threads of one inference on the CPU; 0 is automatic
    :param providers: of ONNX Runtime, in order of preference
    :param require_gpu: an error instead of a fall back to the CPU
    :param engine_folder: of the TensorRT engines; None is default_folder
    :param engine_build: one of ENGINE_BUILDS: when no engine fits, where there is a GPU and
        TensorRT: build one while the CPU serves, build one first, or do without
    :param use_cuda_graph: TensorRT only: record the inference once and replay it
    :raises BackendError: when a choice is unknown, or two do not go together
    """

    backend: str = AUTO
    model: str = AUTO
    precision: str = AUTO
    num_threads: int = 0
    providers: Sequence[str] = CPU_PROVIDERS
    require_gpu: bool = False
    engine_folder: Path | None = None
    engine_build: str = 'background'
    use_cuda_graph: bool = False

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            if getattr(self, name) not in choices:
                raise BackendError(
                    f'{name}: received {getattr(self, name)}; expected one of {", ".join(choices)}'
                )
        if self.use_cuda_graph and self.backend not in (AUTO, 'tensorrt'):
            raise BackendError(
                f'use_cuda_graph: backend {self.backend} has no CUDA graph; take tensorrt or auto'
            )


def open_backend(bundle: Bundle, request: BackendRequest) -> Backend:
    """
    Load a model.

    :param bundle: what was loaded
    :return: the backend, ready to run
    :raises BundleError: when the bundle has no such model
    :raises BackendError: when it can't be loaded as asked for
    """
    precision = resolve_precision(bundle, request.precision, request.model)
    # TensorRT refuses the file for CPUs.
    if request.backend == 'tensorrt' or (request.backend == AUTO and request.model != INT8_CPU):
        backend = _open_tensorrt(bundle, request, precision)
        if backend is not None:
            return backend
    return _open_on_cpu(bundle, request, precision)


def resolve_precision(bundle: Bundle, precision: str, model: str = AUTO) -> str:
    """
    Say which precision `auto` is.

    :param bundle: what was loaded
    :param precision: one of PRECISIONS
    :param model: a file of the bundle that is asked for, which decides where it is not float32
    :return: FP32, FP16 or INT8
    """
    if model in _PRECISIONS_OF_FILES:
        return _PRECISIONS_OF_FILES[model]
    return bundle.config.deploy.runtime.precision if precision == AUTO else precision


def cpu_model_name(precision: str) -> str:
    """
    Name the file that ONNX Runtime and OpenVINO take; FP16 gains nothing on a CPU.

    :param precision: FP32, FP16 or INT8
    :return: a file of a bundle
    """
    return INT8_CPU if precision == 'INT8' else MODEL


def _open_tensorrt(bundle: Bundle, request: BackendRequest, precision: str) -> Backend | None:
    """Open the engine, or what stands in while it is built; None where it can't be had."""
    try:
        # First: the import of TensorRT takes 100 MB, which are for nothing without a GPU.
        require_gpu()
        trt = load_module()
        engine = find_engine(
            bundle,
            trt,
            precision=precision,
            model=request.model,
            folder=request.engine_folder,
        )
    except BackendError as error:
        _complain(bundle, request, precision, str(error))
        return None

    def load() -> Backend:
        return TensorRtBackend(engine.path, trt, use_cuda_graph=request.use_cuda_graph)

    def make(progress: Progress) -> Backend:
        store_engine(engine, trt, BuildOptions(precision), progress)
        backend = load()
        check_engine(backend, bundle, precision)
        return backend

    if not engine.misfits:
        return load()
    reason = '; '.join(engine.misfits)
    if request.engine_build == 'off':
        _complain(bundle, request, precision, reason)
        return None
    logger.warning('%s; building it', reason)
    if request.engine_build == 'wait' or request.require_gpu:
        return make(logger.info)
    return StandInBackend(_open_on_cpu(bundle, request, precision), make, reason)


def _open_on_cpu(bundle: Bundle, request: BackendRequest, precision: str) -> Backend:
    # A file that is named is for TensorRT here; the one of the precision stands in for it.
    model = AUTO if request.backend == 'tensorrt' else request.model
    path = bundle.model_path(model, cpu_model_name(precision))
    if request.backend == 'auto' and tuple(request.providers) == CPU_PROVIDERS:
        choice = choose_runtime(bundle, path, num_threads=request.num_threads)
    else:
        choice = Choice(OPENVINO if request.backend == OPENVINO else ONNX_RUNTIME)
    if choice.runtime == OPENVINO:
        backend: OpenVinoBackend | OnnxRuntimeBackend = _open_openvino(path, request)
    else:
        backend = OnnxRuntimeBackend(
            path,
            num_threads=request.num_threads,
            providers=request.providers,
            require_gpu=request.require_gpu,
        )
    if choice.reason and not backend.notice.text:
        backend.notice = Notice(choice.reason)
        logger.info('%s', choice.reason)
    return backend


def _open_openvino(path: Path, request: BackendRequest) -> OpenVinoBackend:
    backend = OpenVinoBackend(path, num_threads=request.num_threads)
    if path.name in (INT8_CPU, INT8_TRT) and not multiplies_int8_exactly():
        backend.notice = Notice(_SATURATES, needs_action=True)
        logger.warning('%s', _SATURATES)
    return backend


def _complain(bundle: Bundle, request: BackendRequest, precision: str, reason: str) -> None:
    """Refuse to go on without TensorRT where it was asked for; else say how to get it."""
    command = f'python -m ssd_detector.build_engine {bundle.path} --precision {precision}'
    if request.backend == 'tensorrt':
        raise BackendError(f'backend tensorrt: {reason}; run {command}')
    if request.require_gpu and tuple(request.providers) == CPU_PROVIDERS:
        raise BackendError(
            f'require_gpu: {reason}; run {command}, or name providers of onnxruntime-gpu'
        )
    if any(find_spec(name) is not None for name in MODULES):
        logger.info('no TensorRT engine: %s; run %s', reason, command)
