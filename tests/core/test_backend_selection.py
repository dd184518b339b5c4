"""Which backend is taken, and why another is not."""

from pathlib import Path

import onnxruntime
import pytest

from ssd_detector import backend_selection, BackendError, cpu_runtimes
from ssd_detector.backend_selection import BackendRequest, open_backend, resolve_precision
from ssd_detector.backends.onnxruntime import advise_version
from ssd_detector.backends.tensorrt.cuda import find_gpu
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT, MODEL, MODEL_FP16
from ssd_detector.cpu_runtimes import Timings
from tests.libraries import require_openvino
from tests.tiny_bundle import write_tiny_bundle

RELEASED = Path(__file__).parents[2] / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'


@pytest.fixture
def bundle_path(tmp_path):
    return write_tiny_bundle(tmp_path / 'tiny')


@pytest.fixture
def no_gpu():
    if find_gpu() is not None:
        pytest.skip('there is an NVIDIA GPU')


def test_tensorrt_without_a_gpu_is_an_error_that_says_so(bundle_path, no_gpu):
    with pytest.raises(BackendError, match='no NVIDIA GPU|is not installed'):
        open_backend(load_bundle(bundle_path), BackendRequest(backend='tensorrt'))


@pytest.mark.parametrize(
    ('precision', 'model', 'expected'),
    [
        ('auto', 'auto', 'FP32'),
        ('auto', MODEL, 'FP32'),
        ('FP16', 'auto', 'FP16'),
        ('auto', MODEL_FP16, 'FP16'),
        ('auto', INT8_CPU, 'INT8'),
        ('auto', INT8_TRT, 'INT8'),
        ('FP32', INT8_CPU, 'INT8'),
    ],
)
def test_a_model_that_is_named_decides_on_the_precision(bundle_path, precision, model, expected):
    assert resolve_precision(load_bundle(bundle_path), precision, model) == expected


@pytest.mark.parametrize('backend', ['onnxruntime', 'openvino'])
def test_a_cuda_graph_of_a_backend_that_has_none_is_refused(backend):
    with pytest.raises(BackendError, match=f'use_cuda_graph: backend {backend} has no CUDA graph'):
        BackendRequest(backend=backend, use_cuda_graph=True)


@pytest.mark.parametrize(('field', 'value'), [('backend', 'tensorflow'), ('precision', 'INT4')])
def test_an_unknown_choice_is_named(field, value):
    with pytest.raises(BackendError, match=f'{field}: received {value}; expected one of auto'):
        BackendRequest(**{field: value})


@pytest.mark.parametrize('is_exact', [False, True])
def test_auto_takes_openvino_for_int8_where_it_is_exact_and_faster(monkeypatch, is_exact):
    require_openvino()
    monkeypatch.setattr(backend_selection, 'multiplies_int8_exactly', lambda: is_exact)
    monkeypatch.setattr(cpu_runtimes, 'multiplies_int8_exactly', lambda: is_exact)
    faster = Timings(median_ms={'onnxruntime': 9.5, 'openvino': 7.1})
    monkeypatch.setattr(cpu_runtimes, '_recall', lambda record, key: faster)

    chosen, named = (
        open_backend(load_bundle(RELEASED), BackendRequest(backend=backend, precision='INT8'))
        for backend in ('auto', 'openvino')
    )

    assert chosen.description.startswith('OpenVINO' if is_exact else 'ONNX Runtime')
    assert ('measured here: OpenVINO 7.10 ms' in chosen.notice.text) is is_exact
    assert ('take backend onnxruntime' in named.notice.text) is not is_exact
    assert named.notice.needs_action is not is_exact


@pytest.mark.parametrize(
    ('here', 'written', 'advice'),
    [
        ('1.15.0', (8, 17), None),
        ('1.15.0', (3, 7), None),
        ('1.15.1', (10, 17), 'onnxruntime 1.18 or later is needed; here is 1.15.1'),
        ('1.17.0', (9, 21), 'onnxruntime 1.18 or later is needed; here is 1.17.0'),
        ('1.32.0', (12, 17), 'a later onnxruntime than 1.32.0 is needed'),
    ],
)
def test_each_version_of_onnx_runtime_knows_its_formats(monkeypatch, here, written, advice):
    monkeypatch.setattr(onnxruntime, '__version__', here)

    assert advise_version(*written) == advice
