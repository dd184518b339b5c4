"""TensorRT without a GPU: what its parser takes, and when an engine fits."""

from dataclasses import replace
import json

import onnx
import pytest

from ssd_detector import BackendError
from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.tensorrt.api import build_engine, BuildOptions, load_module
from ssd_detector.backends.tensorrt.cuda import Cuda, find_gpu
from ssd_detector.backends.tensorrt.engine_cache import EngineCache, EngineKey
from ssd_detector.build_engine import main
from ssd_detector.bundles.bundle import load_bundle
from tests.tiny_bundle import tiny_model, write_tiny_bundle

KEY = EngineKey('a' * 64, 'tensorrt 10.3.0', 'Orin', '8.7', 'INT8')


@pytest.fixture
def bundle_path(tmp_path):
    return write_tiny_bundle(tmp_path / 'tiny')


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / 'engines')


@pytest.fixture(scope='module')
def trt():
    return pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx is not installed')


@pytest.fixture
def no_gpu():
    if find_gpu() is not None:
        pytest.skip('there is an NVIDIA GPU')


def test_a_stored_engine_fits(cache):
    path = cache.path('model_int8_trt.onnx', 'INT8')
    cache.store(path, KEY, b'an engine')

    assert cache.find_misfits(path, KEY) == []
    assert path.name == 'model_int8_trt_int8.engine'


@pytest.mark.parametrize(
    ('field', 'value', 'reason'),
    [
        ('model_sha256', 'b' * 64, 'the model (sha256) was aaa'),
        ('runtime', 'tensorrt 8.6.1', 'TensorRT was tensorrt 10.3.0; it is tensorrt 8.6.1 now'),
        ('gpu_name', 'Xavier', 'the GPU was Orin; it is Xavier now'),
        ('compute_capability', '7.2', 'compute capability was 8.7; it is 7.2 now'),
        ('precision', 'FP16', 'precision was INT8; it is FP16 now'),
        ('batch_size', 4, 'batch size was 1; it is 4 now'),
    ],
)
def test_an_engine_for_something_else_says_why_it_does_not_fit(cache, field, value, reason):
    path = cache.path('m.onnx', 'INT8')
    cache.store(path, KEY, b'an engine')

    (misfit,) = cache.find_misfits(path, replace(KEY, **{field: value}))
    assert reason in misfit


def test_a_truncated_engine_does_not_fit(cache):
    path = cache.path('m.onnx', 'INT8')
    cache.store(path, KEY, b'an engine')
    path.write_bytes(b'an en')

    (misfit,) = cache.find_misfits(path, KEY)
    assert 'is not what was built (5 bytes); it was cut off or changed' in misfit


def test_an_engine_whose_build_was_cut_off_is_none(cache):
    path = cache.path('m.onnx', 'INT8')
    cache.store(path, KEY, b'an engine')
    path.with_suffix('.json').unlink()

    assert 'no engine was built yet' in cache.find_misfits(path, KEY)[0]


def test_a_record_that_is_none_does_not_fit(cache):
    path = cache.path('m.onnx', 'INT8')
    cache.store(path, KEY, b'an engine')
    path.with_suffix('.json').write_text(json.dumps([1]))

    assert 'is no record of an engine' in cache.find_misfits(path, KEY)[0]


def test_tensorrt_without_a_gpu_is_an_error_that_says_so(bundle_path, no_gpu):
    with pytest.raises(BackendError, match='no NVIDIA GPU|is not installed'):
        open_backend(load_bundle(bundle_path), BackendRequest(backend='tensorrt'))


def test_building_without_a_gpu_is_one_sentence(bundle_path, no_gpu, capsys):
    assert main([str(bundle_path)]) == 1

    error = capsys.readouterr().err
    assert 'no NVIDIA GPU is to be seen' in error or 'no Python package' in error


def test_a_missing_package_is_named():
    with pytest.raises(BackendError, match='no Python package tensorrt_none'):
        load_module('tensorrt_none')


def test_a_missing_cuda_runtime_is_named(monkeypatch):
    monkeypatch.setenv('SSD_LIBCUDART', 'libcudart_none.so')

    with pytest.raises(BackendError, match='install the CUDA runtime'):
        Cuda()


@pytest.mark.parametrize(('field', 'value'), [('backend', 'tensorflow'), ('precision', 'INT4')])
def test_an_unknown_choice_is_named(field, value):
    with pytest.raises(BackendError, match=f'{field}: received {value}; expected one of auto'):
        BackendRequest(**{field: value})


def test_the_builder_takes_a_model_and_a_workspace(trt, tmp_path):
    onnx.save(tiny_model(), tmp_path / 'model.onnx')
    said = []

    engine = build_engine(
        trt,
        tmp_path / 'model.onnx',
        BuildOptions(workspace_mib=64, timing_cache=tmp_path / 'times'),
        said.append,
    )

    assert len(engine) > 100
    assert any('steps' in line for line in said)


def test_what_the_parser_refuses_is_said_with_its_reason(trt, tmp_path):
    model = tiny_model()
    model.graph.node[0].op_type = 'NoSuchOperator'
    onnx.save(model, tmp_path / 'model.onnx')

    with pytest.raises(BackendError, match='tensorrt_rtx .* can not read it'):
        build_engine(trt, tmp_path / 'model.onnx', BuildOptions())
