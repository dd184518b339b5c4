"""Runs a model file with ONNX Runtime."""

from collections.abc import Sequence
import logging
import os
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray
import onnxruntime

from ssd_detector.backends.backend import (
    BatchBackend,
    BOXES_NAME,
    INPUT_NAME,
    Notice,
    RawOutputs,
    SCORES_NAME,
)
from ssd_detector.backends.cpu_features import multiplies_int8_exactly
from ssd_detector.errors import BackendError

CPU_PROVIDERS = ('CPUExecutionProvider',)
MAX_AUTO_THREADS = 4

# The first version that knows them (onnxruntime.ai/docs/reference/compatibility.html).
_KNOWS_IR = {8: (1, 10), 9: (1, 15), 10: (1, 18), 11: (1, 23)}
_KNOWS_OPSET = {17: (1, 12), 18: (1, 14), 19: (1, 15), 20: (1, 17), 21: (1, 18), 22: (1, 21)}

Shape = tuple[int | str | None, ...]
GraphOptimization = Literal['all', 'off']

logger = logging.getLogger(__name__)


class OnnxRuntimeBackend(BatchBackend):
    """
    A model file, ready to run.

    :param model_path: the ONNX file
    :param num_threads: threads of one inference; 0 takes the cores of this process, at most 4
    :param providers: in order of preference; the first is what was asked for
    :param graph_optimization: `off` runs the graph as it is written, to judge a file for TensorRT
    :param require_gpu: refuse to run with another provider than the first, instead of warning
    :raises BackendError: when the file can't be loaded, or the first provider is not to be had and
        require_gpu is set
    """

    def __init__(
        self,
        model_path: Path,
        *,
        num_threads: int = 0,
        providers: Sequence[str] = CPU_PROVIDERS,
        graph_optimization: GraphOptimization = 'all',
        require_gpu: bool = False,
    ) -> None:
        if num_threads < 0:
            raise BackendError(
                f'num_threads: received {num_threads}; expected 0 (automatic) or a count'
            )
        self._session, complaint = _open_session(
            model_path, num_threads, providers, graph_optimization
        )
        if complaint and require_gpu:
            raise BackendError(f'{complaint}; install what it needs, or set require_gpu to false')
        if complaint:
            complaint += '; the CPU serves instead, several times slower'
            logger.warning('%s', complaint)
        self.notice = Notice(complaint, needs_action=bool(complaint))
        self.takes_batches = not isinstance(self._session.get_inputs()[0].shape[0], int)
        self.description = f'ONNX Runtime {self._session.get_providers()[0]}, {model_path.name}'

    def run_batch(self, input_images: NDArray[np.float32]) -> RawOutputs:
        """See BatchBackend."""
        try:
            outputs = self._session.run([BOXES_NAME, SCORES_NAME], {INPUT_NAME: input_images})
        except Exception as error:
            reason = ' '.join(str(error).split())
            raise BackendError(f'inference failed on {input_images.shape}: {reason}') from error
        return RawOutputs(*outputs)


def read_shapes(model_path: Path) -> dict[str, Shape]:
    """
    Read names and shapes of a model's inputs and outputs.

    :param model_path: the ONNX file
    :return: tensor name -> shape; a free dimension is a text or None
    :raises BackendError: when ONNX Runtime can't load the file
    """
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = _create_session(model_path, options, CPU_PROVIDERS)
    nodes = (*session.get_inputs(), *session.get_outputs())
    return {node.name: tuple(node.shape) for node in nodes}


def advise_version(ir_version: int, opset: int) -> str | None:
    """
    Say which ONNX Runtime a file needs that is too new for this one.

    :param ir_version: of the file
    :param opset: of the file
    :return: what to install; None when the version here knows both
    """
    here = tuple(int(part) for part in onnxruntime.__version__.split('.')[:2])
    # What is older than the tables is known to every version.
    needed = [
        known.get(value) if value > max(known) or value in known else (1, 0)
        for value, known in ((ir_version, _KNOWS_IR), (opset, _KNOWS_OPSET))
    ]
    if None in needed:
        return f'a later onnxruntime than {onnxruntime.__version__} is needed'
    major, minor = max(version for version in needed if version is not None)
    if (major, minor) <= here:
        return None
    return f'onnxruntime {major}.{minor} or later is needed; here is {onnxruntime.__version__}'


def _open_session(
    model_path: Path,
    num_threads: int,
    providers: Sequence[str],
    graph_optimization: GraphOptimization,
) -> tuple[onnxruntime.InferenceSession, str]:
    """Open a session; the text says why it does not run with the first provider, or is empty."""
    available = onnxruntime.get_available_providers()
    usable = [name for name in providers if name in available]
    options = onnxruntime.SessionOptions()
    if graph_optimization == 'off':
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = num_threads or min(_usable_cores(), MAX_AUTO_THREADS)
    # Threads that spin while they wait make two threads on a busy machine slower than one.
    options.add_session_config_entry('session.intra_op.allow_spinning', '0')
    if not multiplies_int8_exactly():
        # The fast way saturates there. With VNNI this takes twice the time, for the same bits.
        options.add_session_config_entry('session.x64quantprecision', '1')
    session = _create_session(model_path, options, usable or CPU_PROVIDERS)
    if missing := [name for name in providers if name not in available]:
        return session, (
            f'providers: {", ".join(missing)} not in this onnxruntime {onnxruntime.__version__} '
            f'(available: {", ".join(available)})'
        )
    # ONNX Runtime falls back to the CPU without an exception when a provider fails to start.
    if session.get_providers()[0] != providers[0]:
        return session, (
            f'{model_path}: asked for {providers[0]}, ONNX Runtime took '
            f'{session.get_providers()[0]}'
        )
    return session, ''


def _create_session(
    model_path: Path, options: onnxruntime.SessionOptions, providers: Sequence[str]
) -> onnxruntime.InferenceSession:
    try:
        return onnxruntime.InferenceSession(
            str(model_path), sess_options=options, providers=list(providers)
        )
    # ONNX Runtime's errors have no common base below Exception.
    except Exception as error:
        reason = ' '.join(str(error).split())
        raise BackendError(
            f'{model_path}: ONNX Runtime can not load it ({reason}); export it again'
        ) from error


def _usable_cores() -> int:
    # sched_getaffinity knows of containers and taskset, but exists on Linux only.
    if hasattr(os, 'sched_getaffinity'):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
