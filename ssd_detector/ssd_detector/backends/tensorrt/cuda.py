"""
The little of CUDA that the TensorRT backend needs, without a package: libcudart and libcuda.

Not run on a GPU by the authors; the calls are tested against a stand-in library.
"""

import ctypes
from ctypes.util import find_library
from dataclasses import dataclass
import os
import weakref

import numpy as np
from numpy.typing import NDArray

from ssd_detector.errors import BackendError

_HOST_TO_DEVICE = 1
_DEVICE_TO_HOST = 2
# CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR and _MINOR.
_CAPABILITY_ATTRIBUTES = (75, 76)
# What a capture forbids is forbidden to this thread alone: others may allocate meanwhile.
_CAPTURE_MODE_THREAD_LOCAL = 1


@dataclass(frozen=True)
class Gpu:
    """
    The GPU that a process sees first.

    :param name: such as Orin
    :param compute_capability: such as 8.7
    """

    name: str
    compute_capability: str


def find_gpu() -> Gpu | None:
    """
    Ask the driver for the first GPU.

    :return: None when there is no driver or no GPU
    """
    try:
        driver = ctypes.CDLL(os.environ.get('SSD_LIBCUDA', 'libcuda.so.1'))
    except OSError:
        return None
    if driver.cuInit(0) != 0:
        return None
    device = ctypes.c_int()
    if driver.cuDeviceGet(ctypes.byref(device), 0) != 0:
        return None
    name = ctypes.create_string_buffer(256)
    driver.cuDeviceGetName(name, len(name), device)
    numbers = [ctypes.c_int(), ctypes.c_int()]
    for number, attribute in zip(numbers, _CAPABILITY_ATTRIBUTES, strict=True):
        driver.cuDeviceGetAttribute(ctypes.byref(number), attribute, device)
    return Gpu(name.value.decode(), '.'.join(str(number.value) for number in numbers))


class Cuda:
    """
    The runtime library; every call is checked.

    :raises BackendError: when there is no libcudart
    """

    def __init__(self) -> None:
        path = os.environ.get('SSD_LIBCUDART') or find_library('cudart') or 'libcudart.so'
        try:
            self._library = ctypes.CDLL(path)
        except OSError as error:
            raise BackendError(
                f'CUDA: {path} can not be loaded ({error}); install the CUDA runtime (JetPack '
                f'brings it), or take backend onnxruntime'
            ) from error
        self._library.cudaGetErrorString.restype = ctypes.c_char_p

    def call(self, name: str, *arguments: object) -> None:
        """
        Call a function of the runtime.

        :param name: of the function
        :param arguments: as C takes them
        :raises BackendError: when it does not return cudaSuccess
        """
        code = getattr(self._library, name)(*arguments)
        if code != 0:
            reason = (self._library.cudaGetErrorString(code) or b'').decode()
            raise BackendError(f'CUDA: {name} failed with {code} ({reason})')

    def make(self, owner: object, name: str, *arguments: object, undo: str) -> ctypes.c_void_p:
        """
        Call a function that makes something; it is given back when its owner is no more.

        :param owner: uses what is made; must not be kept alive by it
        :param name: of the function
        :param arguments: after the first, which takes the handle
        :param undo: the function that gives it back
        :return: the handle
        :raises BackendError: when it does not return cudaSuccess
        """
        handle = ctypes.c_void_p()
        self.call(name, ctypes.byref(handle), *arguments)
        # When the process ends, the driver takes everything back, and may be gone before us.
        weakref.finalize(owner, self.call, undo, handle).atexit = False
        return handle

    def capture(self, stream: ctypes.c_void_p) -> 'GraphCapture':
        """
        Record what is put into a stream, instead of running it.

        :param stream: from make
        :return: a context; its launch repeats what was recorded
        """
        return GraphCapture(self, stream)


class Buffer:
    """
    One float32 tensor in page-locked memory and on the GPU, allocated once.

    Its array must not outlive it.

    :param cuda: the runtime
    :param shape: of the tensor
    """

    def __init__(self, cuda: Cuda, shape: tuple[int, ...]) -> None:
        self._cuda = cuda
        size_bytes = int(np.prod(shape)) * np.dtype(np.float32).itemsize
        self._size_bytes = ctypes.c_size_t(size_bytes)
        self._host = cuda.make(self, 'cudaMallocHost', self._size_bytes, undo='cudaFreeHost')
        self.device = cuda.make(self, 'cudaMalloc', self._size_bytes, undo='cudaFree')
        memory = (ctypes.c_float * int(np.prod(shape))).from_address(self._host.value or 0)
        self.array: NDArray[np.float32] = np.ctypeslib.as_array(memory).reshape(shape)

    def upload(self, stream: ctypes.c_void_p) -> None:
        """
        Copy to the GPU; returns at once.

        :param stream: orders the copy
        """
        self._copy(self.device, self._host, _HOST_TO_DEVICE, stream)

    def download(self, stream: ctypes.c_void_p) -> None:
        """
        Copy from the GPU; returns at once.

        :param stream: orders the copy
        """
        self._copy(self._host, self.device, _DEVICE_TO_HOST, stream)

    def _copy(
        self,
        target: ctypes.c_void_p,
        source: ctypes.c_void_p,
        kind: int,
        stream: ctypes.c_void_p,
    ) -> None:
        self._cuda.call('cudaMemcpyAsync', target, source, self._size_bytes, kind, stream)


class GraphCapture:
    """
    A CUDA graph: many small launches become one.

    :param cuda: the runtime
    :param stream: that is recorded and later runs the graph
    """

    def __init__(self, cuda: Cuda, stream: ctypes.c_void_p) -> None:
        self._cuda = cuda
        self._stream = stream
        self._executable = ctypes.c_void_p()

    def __enter__(self) -> 'GraphCapture':
        """Begin to record."""
        self._cuda.call('cudaStreamBeginCapture', self._stream, _CAPTURE_MODE_THREAD_LOCAL)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """End the record and make it executable."""
        graph = ctypes.c_void_p()
        try:
            self._cuda.call('cudaStreamEndCapture', self._stream, ctypes.byref(graph))
        except BackendError:
            # What was raised inside is the cause.
            if kind is None:
                raise
        try:
            if kind is None:
                self._executable = self._cuda.make(
                    self,
                    'cudaGraphInstantiateWithFlags',
                    graph,
                    ctypes.c_ulonglong(0),
                    undo='cudaGraphExecDestroy',
                )
        finally:
            if graph:
                self._cuda.call('cudaGraphDestroy', graph)

    def launch(self) -> None:
        """Run what was recorded; returns at once."""
        self._cuda.call('cudaGraphLaunch', self._executable, self._stream)
