"""
Stands in for TensorRT where there is no GPU: an engine is the ONNX file, run by ONNX Runtime.

Only what ssd_detector calls, with TensorRT 10's semantics as documented. GATE holds a build back.
An engine puts its work into a stream of the stand-in for CUDA, which runs or records it.
"""

import ctypes
import os
from threading import Event
import types

import numpy as np
import onnxruntime

__version__ = '10.3.0'

GATE = Event()
GATE.set()
MemoryPoolType = types.SimpleNamespace(WORKSPACE=0)
NetworkDefinitionCreationFlag = types.SimpleNamespace(STRONGLY_TYPED=1)
BuilderFlag = types.SimpleNamespace(FP16=0, INT8=1)
Work = ctypes.CFUNCTYPE(None)


class Logger:
    WARNING = 2

    def __init__(self, severity):
        self.severity = severity


class OnnxParser:
    num_errors = 0

    def __init__(self, network, logger):
        self._network = network

    def parse_from_file(self, path):
        self._network.path = path
        return True


class Network:
    path = None

    def get_input(self, index):
        shape = onnxruntime.InferenceSession(self.path).get_inputs()[index].shape
        return types.SimpleNamespace(shape=tuple(shape))


class BuilderConfig:
    def set_memory_pool_limit(self, pool, size):
        assert size > 0

    def set_flag(self, flag):
        assert flag in (0, 1)

    def create_timing_cache(self, content):
        return TimingCache(content)

    def set_timing_cache(self, cache, ignore_mismatch):
        assert not ignore_mismatch
        self._cache = cache

    def get_timing_cache(self):
        return self._cache


class TimingCache:
    def __init__(self, content):
        self._content = content

    def serialize(self):
        return self._content + b'times;'


class Builder:
    def __init__(self, logger):
        pass

    def create_network(self, flags):
        assert flags == 0
        return Network()

    def create_builder_config(self):
        return BuilderConfig()

    def build_serialized_network(self, network, config):
        GATE.wait()
        with open(network.path, 'rb') as file:
            return file.read()


class Runtime:
    def __init__(self, logger):
        pass

    def deserialize_cuda_engine(self, content):
        try:
            return Engine(onnxruntime.InferenceSession(content))
        # TensorRT logs what is wrong and gives None.
        except Exception:  # noqa: BLE001
            return None


class Engine:
    def __init__(self, session):
        self.session = session
        tensors = (*session.get_inputs(), *session.get_outputs())
        self.shapes = {tensor.name: tuple(tensor.shape) for tensor in tensors}
        self.num_io_tensors = len(tensors)

    def get_tensor_name(self, index):
        return list(self.shapes)[index]

    def get_tensor_shape(self, name):
        return self.shapes[name]

    def create_execution_context(self):
        return ExecutionContext(self)


class ExecutionContext:
    def __init__(self, engine):
        self._engine = engine
        self._addresses = {}
        self._work = Work(self._run)
        self._cuda = ctypes.CDLL(os.environ['SSD_LIBCUDART'])

    def set_input_shape(self, name, shape):
        return shape == self._engine.shapes[name]

    def get_tensor_shape(self, name):
        return self._engine.shapes[name]

    def set_tensor_address(self, name, address):
        self._addresses[name] = address
        return True

    def execute_async_v3(self, stream):
        return self._cuda.standInLaunch(ctypes.c_void_p(stream), self._work) == 0

    def _run(self):
        session = self._engine.session
        inputs = {tensor.name: self._array(tensor.name) for tensor in session.get_inputs()}
        names = [tensor.name for tensor in session.get_outputs()]
        for name, value in zip(names, session.run(names, inputs), strict=True):
            self._array(name)[...] = value

    def _array(self, name):
        shape = self._engine.shapes[name]
        memory = (ctypes.c_float * int(np.prod(shape))).from_address(self._addresses[name])
        return np.ctypeslib.as_array(memory).reshape(shape)
