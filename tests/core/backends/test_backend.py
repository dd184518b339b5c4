"""What a model gives has one form, whatever runs it."""

import numpy as np
import onnxruntime
import pytest

from ssd_detector.backends import onnxruntime as own
from ssd_detector.backends.backend import Notice, open_predict, RawOutputs, stack_outputs
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.backends.openvino import OpenVinoBackend
from tests.libraries import require_openvino
from tests.tiny_bundle import write_tiny_bundle


class OneByOne:
    """A backend that takes one image, as TensorRT's does."""

    description = 'one by one'
    notice = Notice()

    def __init__(self, backend):
        self.run = backend.run


@pytest.fixture(scope='module')
def backend_path(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp('tiny') / 'tiny') / 'model.onnx'


@pytest.fixture(scope='module')
def backend(backend_path):
    return OnnxRuntimeBackend(backend_path)


def image(value):
    return np.full((1, 32, 32, 3), value, np.float32)


@pytest.mark.parametrize('wrap', [lambda backend: backend, OneByOne])
def test_every_backend_predicts_in_the_same_form(backend, wrap):
    expected = backend.run_batch(image(0.5))

    outputs = open_predict(wrap(backend))(image(0.5))

    np.testing.assert_array_equal(outputs.boxes_normalized_xyxy, expected.boxes_normalized_xyxy)
    np.testing.assert_array_equal(outputs.scores, expected.scores)


@pytest.mark.parametrize('runtime', [OnnxRuntimeBackend, OpenVinoBackend])
def test_outputs_stay_when_the_next_image_comes(backend_path, runtime):
    if runtime is OpenVinoBackend:
        require_openvino()
    backend = runtime(backend_path)
    outputs = backend.run(image(1.0))
    kept = [output.copy() for output in outputs]

    backend.run(image(0.0))

    for output, expected in zip(outputs, kept, strict=True):
        np.testing.assert_array_equal(output, expected)


def test_stacked_outputs_are_those_of_the_images_in_order(backend):
    alone = [backend.run(image(value)) for value in (0.0, 1.0)]

    boxes, scores = stack_outputs(alone)

    for index, expected in enumerate(alone):
        np.testing.assert_array_equal(boxes[index], expected.boxes_normalized_xyxy)
        np.testing.assert_array_equal(scores[index], expected.scores)
    assert isinstance(stack_outputs(alone), RawOutputs)


@pytest.mark.parametrize('is_exact', [True, False], ids=['with VNNI', 'without'])
def test_the_slow_way_of_int8_is_taken_only_where_the_fast_one_saturates(
    is_exact, backend_path, monkeypatch
):
    entries = {}

    class Options(onnxruntime.SessionOptions):
        def add_session_config_entry(self, key, value):
            entries[key] = value
            super().add_session_config_entry(key, value)

    monkeypatch.setattr(own.onnxruntime, 'SessionOptions', Options)
    monkeypatch.setattr(own, 'multiplies_int8_exactly', lambda: is_exact)
    OnnxRuntimeBackend(backend_path)
    assert ('session.x64quantprecision' in entries) == (not is_exact)
