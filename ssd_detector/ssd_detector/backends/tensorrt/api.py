"""
One way to build engines for TensorRT 8.6, 10, 11 and TensorRT for RTX.

Of the names that differ between them: EXPLICIT_BATCH and the precision flags are gone in 11,
where precision comes from the file alone. `tests/training/deployment/test_tensorrt_gate.py` runs
this code with TensorRT for RTX; the names were looked up in the others, which were not run.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
import importlib
from pathlib import Path
from typing import Any

from ssd_detector.backends.backend import INPUT_NAME
from ssd_detector.errors import BackendError

MODULES = ('tensorrt', 'tensorrt_rtx')
_FLAGS = {'FP16': 'FP16', 'INT8': 'INT8'}

Progress = Callable[[str], None]


@dataclass(frozen=True)
class BuildOptions:
    """
    How an engine is built.

    :param precision: FP32, FP16 or INT8; INT8 also needs the Q/DQ file
    :param workspace_mib: memory that tactics may use
    :param timing_cache: file that keeps measured times from one build to the next, or None
    """

    precision: str = 'FP32'
    workspace_mib: int = 1024
    timing_cache: Path | None = None


def load_module(name: str | None = None) -> Any:
    """
    Import TensorRT.

    :param name: tensorrt or tensorrt_rtx; None takes the first that is installed
    :return: the module
    :raises BackendError: when it is not there, naming what to install
    """
    for candidate in (name,) if name else MODULES:
        try:
            return importlib.import_module(candidate)
        except ImportError as error:
            reason = str(error)
    raise BackendError(
        f'TensorRT: no Python package {name or " or ".join(MODULES)} ({reason}); JetPack brings '
        f'tensorrt, elsewhere: pip install tensorrt; or take backend onnxruntime'
    )


def describe_runtime(trt: Any) -> str:
    """
    Name a runtime as an engine's record does.

    :param trt: from load_module
    :return: such as `tensorrt 10.3.0`
    """
    return f'{trt.__name__} {trt.__version__}'


def supports_precision(trt: Any, precision: str) -> bool:
    """
    Say whether a float32 file can become an engine of this precision by a flag.

    :param trt: from load_module
    :param precision: FP32, FP16 or INT8
    :return: False where precision comes from the file alone (TensorRT 11, RTX)
    """
    return precision not in _FLAGS or hasattr(trt.BuilderFlag, _FLAGS[precision])


def build_engine(
    trt: Any, model_path: Path, options: BuildOptions, progress: Progress | None = None
) -> bytes:
    """
    Parse an ONNX file and build an engine.

    :param trt: from load_module
    :param model_path: static batch, or batch 1 of a dynamic one
    :param progress: is told what the builder does
    :return: the serialized engine
    :raises BackendError: when TensorRT refuses the file, with its reasons
    """
    builder = trt.Builder(get_logger(trt))
    network = builder.create_network(_network_flags(trt))
    parser = trt.OnnxParser(network, get_logger(trt))
    if not parser.parse_from_file(str(model_path)):
        errors = [parser.get_error(index).desc() for index in range(parser.num_errors)]
        reasons = [' '.join(error.split()) for error in errors]
        raise BackendError(
            f'{model_path}: {describe_runtime(trt)} can not read it: {"; ".join(reasons)}; take '
            f'model.onnx or model_int8_trt.onnx of a bundle'
        )
    config = _configure(trt, builder, network, options)
    if progress is not None and hasattr(trt, 'IProgressMonitor'):
        # Kept in a variable: TensorRT holds no reference to it.
        monitor = _make_monitor(trt, progress)
        config.progress_monitor = monitor
    engine = builder.build_serialized_network(network, config)
    if engine is None:
        raise BackendError(
            f'{model_path}: {describe_runtime(trt)} can not build it; its reason stands above; '
            f'more workspace (--workspace_mib, now {options.workspace_mib}) may help'
        )
    if options.timing_cache is not None and _keeps_times(trt):
        _save_timing_cache(config, options.timing_cache)
    return bytes(engine)


@cache
def get_logger(trt: Any) -> Any:
    """
    Give the logger of this process: TensorRT keeps the first and warns of any other.

    :param trt: from load_module
    :return: a trt.Logger
    """
    return trt.Logger(trt.Logger.WARNING)


def _network_flags(trt: Any) -> int:
    flag = getattr(trt.NetworkDefinitionCreationFlag, 'EXPLICIT_BATCH', None)
    return 0 if flag is None else 1 << int(flag)


def _configure(trt: Any, builder: Any, network: Any, options: BuildOptions) -> Any:
    config = builder.create_builder_config()
    config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, options.workspace_mib << 20)
    if options.precision in _FLAGS and supports_precision(trt, options.precision):
        config.set_flag(getattr(trt.BuilderFlag, _FLAGS[options.precision]))
    if options.timing_cache is not None and _keeps_times(trt):
        known = options.timing_cache.read_bytes() if options.timing_cache.is_file() else b''
        config.set_timing_cache(config.create_timing_cache(known), False)
    if -1 in tuple(network.get_input(0).shape):
        profile = builder.create_optimization_profile()
        shape = (1, *tuple(network.get_input(0).shape)[1:])
        profile.set_shape(INPUT_NAME, shape, shape, shape)
        config.add_optimization_profile(profile)
    return config


def _keeps_times(trt: Any) -> bool:
    # TensorRT for RTX tunes when an engine first runs, and refuses a timing cache.
    return bool(trt.__name__ == 'tensorrt')


def _save_timing_cache(config: Any, path: Path) -> None:
    aside = path.with_name(f'.{path.name}.partial')
    aside.write_bytes(bytes(config.get_timing_cache().serialize()))
    aside.replace(path)


def _make_monitor(trt: Any, progress: Progress) -> Any:
    class Monitor(trt.IProgressMonitor):  # type: ignore[misc]
        """Passes the names of the builder's phases on."""

        def __init__(self) -> None:
            trt.IProgressMonitor.__init__(self)
            self._lengths: dict[str, int] = {}

        def phase_start(self, phase_name: str, parent_phase: str, num_steps: int) -> None:
            self._lengths[phase_name] = num_steps
            if not parent_phase:
                progress(f'{phase_name} ({num_steps} steps)')

        def step_complete(self, phase_name: str, step: int) -> bool:
            return True

        def phase_finish(self, phase_name: str) -> None:
            progress(f'{phase_name}: {self._lengths.pop(phase_name, 0)} steps done')

    return Monitor()
