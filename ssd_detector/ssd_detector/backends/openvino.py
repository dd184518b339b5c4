"""Runs a model file with OpenVINO: on Intel and AMD CPUs the fastest for the INT8 file."""

from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backends.backend import (
    BatchBackend,
    BOXES_NAME,
    INPUT_NAME,
    Notice,
    RawOutputs,
    SCORES_NAME,
)
from ssd_detector.errors import BackendError
from ssd_detector.telemetry import silent_openvino


class OpenVinoBackend(BatchBackend):
    """
    A model file, ready to run.

    :param model_path: the ONNX file
    :param num_threads: threads of one inference; 0 leaves it to OpenVINO
    :raises BackendError: when openvino is not installed or can't load the file
    """

    def __init__(self, model_path: Path, *, num_threads: int = 0) -> None:
        try:
            with silent_openvino():
                import openvino
        except ImportError as error:
            raise BackendError(
                'backend openvino: not installed; pip install openvino, or take onnxruntime'
            ) from error
        # The default takes bfloat16 where the CPU has it: scores are off by up to 0.28 then.
        options = {'INFERENCE_PRECISION_HINT': 'f32', 'PERFORMANCE_HINT': 'LATENCY'}
        if num_threads:
            options['INFERENCE_NUM_THREADS'] = str(num_threads)
        try:
            compiled = _core().compile_model(str(model_path), 'CPU', options)
        except RuntimeError as error:
            raise BackendError(
                f'{model_path}: OpenVINO can not load it ({" ".join(str(error).split())})'
            ) from error
        self.takes_batches = compiled.input(INPUT_NAME).partial_shape[0].is_dynamic
        self._request = compiled.create_infer_request()
        self.notice = Notice()
        self.description = f'OpenVINO {openvino.__version__}, {model_path.name}'

    def run_batch(self, input_images: NDArray[np.float32]) -> RawOutputs:
        """See BatchBackend."""
        try:
            results = self._request.infer({INPUT_NAME: input_images})
        except RuntimeError as error:
            reason = ' '.join(str(error).split())
            raise BackendError(f'inference failed on {input_images.shape}: {reason}') from error
        # Without share_outputs these are copies: the next image leaves them as they are.
        return RawOutputs(results[BOXES_NAME], results[SCORES_NAME])


@cache
def _core() -> Any:
    """
    Make the one core of this process, which is never let go of.

    The plugin of a core gives the thread that loads it a stack for signals. With a second core, or
    a core that goes in another thread, the thread is left with a stack that was unmapped: the next
    SIGINT or SIGTERM is then a segmentation fault.
    """
    import openvino

    return openvino.Core()
