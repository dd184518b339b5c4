"""
Runs a TensorRT engine: buffers allocated once, one stream, asynchronous copies.

Not run on a GPU by the authors: tested with a stand-in for TensorRT and CUDA.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backends.backend import (
    BOXES_NAME,
    INPUT_NAME,
    Notice,
    RawOutputs,
    SCORES_NAME,
)
from ssd_detector.backends.tensorrt.api import describe_runtime, get_logger
from ssd_detector.backends.tensorrt.cuda import Buffer, Cuda, GraphCapture
from ssd_detector.errors import BackendError


class TensorRtBackend:
    """
    An engine, ready to run; GPU and page-locked memory go back when nobody holds it any more.

    :param engine_path: from build_engine, of this machine
    :param trt: the module, from load_module
    :param use_cuda_graph: record the inference once and replay it
    :raises BackendError: when the engine can't be loaded or has other tensors
    """

    def __init__(self, engine_path: Path, trt: Any, *, use_cuda_graph: bool = False) -> None:
        self._cuda = Cuda()
        # TensorRT wants the runtime to outlive the engine.
        self._runtime = trt.Runtime(get_logger(trt))
        engine = self._runtime.deserialize_cuda_engine(engine_path.read_bytes())
        if engine is None:
            raise BackendError(
                f'{engine_path}: {describe_runtime(trt)} can not load it; build it again: '
                f'python -m ssd_detector.build_engine'
            )
        _check_tensors(engine, engine_path)
        self._context = engine.create_execution_context()
        shape = (1, *tuple(engine.get_tensor_shape(INPUT_NAME))[1:])
        self._context.set_input_shape(INPUT_NAME, shape)
        self._stream = self._cuda.make(self, 'cudaStreamCreate', undo='cudaStreamDestroy')
        self._buffers = {
            name: self._bind(name, trt) for name in (INPUT_NAME, BOXES_NAME, SCORES_NAME)
        }
        self._graph = self._record() if use_cuda_graph else None
        self.notice = Notice()
        how = ', CUDA graph' if use_cuda_graph else ''
        self.description = f'{describe_runtime(trt)}, {engine_path.name}{how}'

    def run(self, input_image: NDArray[np.float32]) -> RawOutputs:
        """
        Run the engine on one image.

        :param input_image: (1, S, S, 3) float32, RGB in [0, 1]
        :return: its outputs, without B
        :raises BackendError: when the image has another shape, or TensorRT or CUDA fail
        """
        image = self._buffers[INPUT_NAME].array
        if input_image.shape != image.shape:
            raise BackendError(
                f'inference failed on {input_image.shape}: the engine takes {image.shape}'
            )
        image[...] = input_image
        if self._graph is not None:
            self._graph.launch()
        else:
            self._enqueue()
        self._cuda.call('cudaStreamSynchronize', self._stream)
        boxes, scores = (self._buffers[name].array[0] for name in (BOXES_NAME, SCORES_NAME))
        # Copies: the next image overwrites the buffers.
        return RawOutputs(boxes.copy(), scores.copy())

    def _bind(self, name: str, trt: Any) -> Buffer:
        shape = tuple(self._context.get_tensor_shape(name))
        buffer = Buffer(self._cuda, shape)
        if not self._context.set_tensor_address(name, buffer.device.value):
            raise BackendError(f'{describe_runtime(trt)}: refuses the address of {name}')
        return buffer

    def _enqueue(self) -> None:
        self._buffers[INPUT_NAME].upload(self._stream)
        if not self._context.execute_async_v3(self._stream.value):
            raise BackendError('TensorRT: execute_async_v3 failed; its reason stands above')
        for name in (BOXES_NAME, SCORES_NAME):
            self._buffers[name].download(self._stream)

    def _record(self) -> GraphCapture:
        # The first run may allocate, which can't be recorded.
        self._enqueue()
        self._cuda.call('cudaStreamSynchronize', self._stream)
        with self._cuda.capture(self._stream) as graph:
            self._enqueue()
        return graph


def _check_tensors(engine: Any, path: Path) -> None:
    names = {engine.get_tensor_name(index) for index in range(engine.num_io_tensors)}
    expected = {INPUT_NAME, BOXES_NAME, SCORES_NAME}
    if names != expected:
        raise BackendError(
            f'{path}: has tensors {", ".join(sorted(names))}; expected '
            f'{", ".join(sorted(expected))}; build it from a bundle'
        )
