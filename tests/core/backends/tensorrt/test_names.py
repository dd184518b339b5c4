"""
Every name of TensorRT that the core uses exists in 8.6, 10 and 11, or is asked for first.

names.json lists what NVIDIA's bindings hold (tools/tensorrt_names.py); with those of
TensorRT for RTX, where it is installed, the list is compared as it is.
"""

import ast
import importlib
import json
from pathlib import Path

import pytest

from ssd_detector import engines
from ssd_detector.backends.tensorrt import api, backend

NAMES = json.loads(Path(__file__).with_name('names.json').read_text())
# What the variables of the two modules hold.
CLASSES = {
    'trt': '',
    'builder': 'Builder',
    'network': 'INetworkDefinition',
    'network.get_input(0)': 'ITensor',
    'parser': 'OnnxParser',
    'parser.get_error(index)': 'ParserError',
    'config': 'IBuilderConfig',
    'config.get_timing_cache()': 'ITimingCache',
    'profile': 'IOptimizationProfile',
    'self._runtime': 'Runtime',
    'engine': 'ICudaEngine',
    'self._context': 'IExecutionContext',
    'trt.BuilderFlag': 'BuilderFlag',
    'trt.IProgressMonitor': 'IProgressMonitor',
    'trt.Logger': 'Logger',
    'trt.MemoryPoolType': 'MemoryPoolType',
    'trt.NetworkDefinitionCreationFlag': 'NetworkDefinitionCreationFlag',
}
# Used only where hasattr finds them.
ASKED_FOR = {('', 'IProgressMonitor'), ('IBuilderConfig', 'progress_monitor')}


def used_names():
    """Find (class, name) of every attribute that the core takes from TensorRT's objects."""
    for module in (api, backend, engines):
        for node in ast.walk(ast.parse(Path(module.__file__).read_text())):
            if isinstance(node, ast.Attribute) and ast.unparse(node.value) in CLASSES:
                # Of an Engine of ours, not of TensorRT's.
                if module is engines and ast.unparse(node.value) == 'engine':
                    continue
                if not node.attr.startswith('_'):
                    yield CLASSES[ast.unparse(node.value)], node.attr


USED = sorted(set(used_names()))


@pytest.mark.parametrize('version', NAMES)
@pytest.mark.parametrize(('owner', 'name'), USED)
def test_a_name_exists_or_is_asked_for(version, owner, name):
    if (owner, name) in ASKED_FOR and name not in NAMES[version].get(owner, '').split():
        assert 'IProgressMonitor' not in NAMES[version][''].split()
        return
    assert name in NAMES[version][owner].split()


def test_what_the_core_uses_was_found():
    assert {
        ('Builder', 'build_serialized_network'),
        ('IBuilderConfig', 'set_memory_pool_limit'),
        ('ICudaEngine', 'get_tensor_name'),
        ('IExecutionContext', 'execute_async_v3'),
        ('IOptimizationProfile', 'set_shape'),
        ('ITimingCache', 'serialize'),
        ('OnnxParser', 'parse_from_file'),
        ('Runtime', 'deserialize_cuda_engine'),
    } <= set(USED)


@pytest.mark.parametrize(
    ('version', 'has_flags'), [('8.6.1', True), ('10.16.1', True), ('11.4.0', False)]
)
def test_where_flags_decide_and_where_the_file_does(version, has_flags):
    names = NAMES[version]

    assert ('INT8' in names['BuilderFlag'].split()) == has_flags
    assert ('FP16' in names['BuilderFlag'].split()) == has_flags
    assert ('EXPLICIT_BATCH' in names['NetworkDefinitionCreationFlag'].split()) == has_flags


def test_the_runtime_that_is_installed_has_the_names_too():
    trt = pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx is not installed')
    assert importlib.import_module('tensorrt_rtx') is trt

    missing = [
        (owner, name)
        for owner, name in USED
        if not hasattr(getattr(trt, owner) if owner else trt, name)
    ]

    assert missing == []
