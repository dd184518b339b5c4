"""When an engine that lies there fits."""

from dataclasses import replace
import json

import pytest

from ssd_detector.backends.tensorrt.engine_cache import EngineCache, EngineKey

KEY = EngineKey('a' * 64, 'tensorrt 10.3.0', 'Orin', '8.7', 'INT8')


@pytest.fixture
def cache(tmp_path):
    return EngineCache(tmp_path / 'engines')


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
