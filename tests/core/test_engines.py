"""
TensorRT engines from request to boxes, on stand-ins for the GPU and TensorRT.

What they prove is the order of calls and what is said; no GPU has run this code.
"""

import ctypes
import dataclasses
import gc
import os
from pathlib import Path
import sys
import types

import numpy as np
import pytest

from ssd_detector import BackendError, Detector, verify
from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.tensorrt.backend import TensorRtBackend
from ssd_detector.backends.tensorrt.engine_cache import default_folder
from ssd_detector.build_engine import main
from ssd_detector.bundles.bundle import load_bundle, write_bundle
from tests.standing_in import stand_in_environment, STAND_INS
from tests.tiny_bundle import write_tiny_bundle, write_verifiable_bundle

RELEASED = Path(__file__).parents[2] / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'


@pytest.fixture
def gpu(tmp_path, monkeypatch):
    """Put a stand-in for the GPU where the core looks; engines go below tmp_path."""
    for name, value in stand_in_environment(tmp_path).items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def tensorrt(gpu, monkeypatch):
    monkeypatch.syspath_prepend(STAND_INS)
    import tensorrt

    yield tensorrt
    tensorrt.GATE.set()
    del sys.modules['tensorrt']


@pytest.fixture
def bundle_path(tmp_path):
    return write_verifiable_bundle(tmp_path / 'tiny')


def image(color=(255, 0, 0)):
    return np.full((48, 64, 3), color, np.uint8)


def test_an_engine_gives_the_boxes_of_the_file_it_was_built_from(tensorrt, bundle_path):
    engine = Detector.from_bundle(bundle_path, backend='tensorrt', engine_build='wait')
    expected = Detector.from_bundle(bundle_path, backend='onnxruntime')(image())

    first, other, again = engine(image()), engine(image((0, 0, 255))), engine(image())

    assert engine.backend.description == 'tensorrt 10.3.0, model_fp32.engine'
    np.testing.assert_array_equal(first.boxes_xyxy, expected.boxes_xyxy)
    np.testing.assert_array_equal(first.scores, again.scores)
    assert (first.labels, other.labels) == (['red'], ['blue'])


def test_a_recorded_inference_gives_what_a_launched_one_gives(tensorrt, bundle_path, monkeypatch):
    launched = Detector.from_bundle(bundle_path, backend='tensorrt', engine_build='wait')
    recorded = Detector.from_bundle(bundle_path, backend='tensorrt', use_cuda_graph=True)
    colors = [(255, 0, 0), (0, 0, 255), (255, 200, 0), (255, 0, 0)]
    expected = [launched(image(color)) for color in colors]

    # It was recorded with all copies: TensorRT is not asked again.
    monkeypatch.delattr(tensorrt.ExecutionContext, 'execute_async_v3')
    received = [recorded(image(color)) for color in colors]

    assert recorded.backend.description == 'tensorrt 10.3.0, model_fp32.engine, CUDA graph'
    for ours, wanted in zip(received, expected, strict=True):
        np.testing.assert_array_equal(ours.boxes_xyxy, wanted.boxes_xyxy)
        np.testing.assert_array_equal(ours.scores, wanted.scores)
    assert received[0].labels != received[1].labels


def test_an_engine_that_can_not_be_recorded_says_why(tensorrt, bundle_path, monkeypatch):
    bundle = load_bundle(bundle_path)
    open_backend(bundle, BackendRequest(engine_build='wait'))
    enqueue = tensorrt.ExecutionContext.execute_async_v3
    runs = []

    def fail_when_recorded(context, stream):
        runs.append(stream)
        return len(runs) == 1 and enqueue(context, stream)

    with (
        monkeypatch.context() as patch,
        pytest.raises(BackendError, match='execute_async_v3 failed'),
    ):
        patch.setattr(tensorrt.ExecutionContext, 'execute_async_v3', fail_when_recorded)
        open_backend(bundle, BackendRequest(backend='tensorrt', use_cuda_graph=True))

    # The stream is not left recording, where nothing could be made.
    assert 'tensorrt' in open_backend(bundle, BackendRequest(backend='tensorrt')).description


@pytest.mark.parametrize('use_cuda_graph', [False, True])
def test_a_backend_that_nobody_holds_gives_its_memory_back(tensorrt, bundle_path, use_cuda_graph):
    bundle = load_bundle(bundle_path)
    count_live = ctypes.CDLL(os.environ['SSD_LIBCUDART']).standInNumLive
    open_backend(bundle, BackendRequest(engine_build='wait'))
    gc.collect()
    before = count_live()

    request = BackendRequest(backend='tensorrt', use_cuda_graph=use_cuda_graph)
    backend = open_backend(bundle, request)
    assert count_live() > before
    del backend
    gc.collect()

    assert count_live() == before == 0


@pytest.fixture
def without_flags(tensorrt, monkeypatch):
    """TensorRT 11: the precision is that of the file."""
    monkeypatch.setattr(tensorrt, 'BuilderFlag', types.SimpleNamespace())


def test_without_flags_float16_comes_from_the_file(without_flags, bundle_path, tmp_path):
    path = bundle_path.with_name('half')
    files = load_bundle(bundle_path).manifest.files.keys() - {'parity.npz'}
    contents = {name: bundle_path / name for name in files}
    contents['model_fp16.onnx'] = bundle_path / 'model.onnx'
    fields = dataclasses.asdict(load_bundle(bundle_path).manifest)
    del fields['files'], fields['schema_version']
    write_bundle(path, contents, fields)

    detector = Detector.from_bundle(
        path, backend='tensorrt', precision='FP16', engine_build='wait'
    )

    assert detector.backend.description == 'tensorrt 10.3.0, model_fp16_fp16.engine'
    assert detector(image()).labels == ['red']


def test_without_flags_a_bundle_without_a_float16_file_says_how_to_get_one(
    without_flags, bundle_path
):
    with pytest.raises(BackendError, match=r'not model_fp16.onnx; deploy the model again'):
        Detector.from_bundle(
            bundle_path, backend='tensorrt', precision='FP16', engine_build='wait'
        )


def test_tensorrt_is_not_imported_where_there_is_no_gpu(bundle_path, monkeypatch):
    monkeypatch.syspath_prepend(STAND_INS)
    monkeypatch.delitem(sys.modules, 'tensorrt', raising=False)
    monkeypatch.setattr('ssd_detector.engines.find_gpu', lambda: None)
    detector = Detector.from_bundle(bundle_path)
    assert detector.backend.description == 'ONNX Runtime CPUExecutionProvider, model.onnx'
    assert 'tensorrt' not in sys.modules


def test_onnx_runtime_serves_while_an_engine_is_built(tensorrt, bundle_path):
    tensorrt.GATE.clear()
    detector = Detector.from_bundle(bundle_path)

    assert 'ONNX Runtime' in detector.backend.description
    assert detector(image()).labels == ['red']
    assert 'no engine was built yet' in str(detector.backend.notice)
    assert 'serves until then' in str(detector.backend.notice)

    tensorrt.GATE.set()
    detector.backend.wait()

    assert detector.backend.description == 'tensorrt 10.3.0, model_fp32.engine'
    assert str(detector.backend.notice).startswith('TensorRT engine built in')
    assert detector(image()).labels == ['red']


def test_where_a_gpu_is_required_its_engine_is_waited_for(tensorrt, bundle_path):
    backend = open_backend(load_bundle(bundle_path), BackendRequest(require_gpu=True))

    assert isinstance(backend, TensorRtBackend)


def test_the_file_for_cpus_is_not_given_to_tensorrt(tensorrt):
    bundle = load_bundle(RELEASED)

    backend = open_backend(bundle, BackendRequest(model='model_int8_cpu.onnx'))

    assert backend.description.endswith('model_int8_cpu.onnx')
    assert not backend.notice.needs_action and 'TensorRT' not in str(backend.notice)


def test_the_file_for_cpus_stands_in_for_the_one_for_tensorrt(tensorrt, monkeypatch):
    def fail(*_):
        raise BackendError('no build in this test')

    monkeypatch.setattr('ssd_detector.backend_selection.store_engine', fail)
    request = BackendRequest(backend='tensorrt', model='model_int8_trt.onnx')

    backend = open_backend(load_bundle(RELEASED), request)
    backend.wait()

    assert backend.description.endswith('model_int8_cpu.onnx')
    assert 'no build in this test' in backend.notice.text


@pytest.mark.parametrize('use_cuda_graph', [False, True])
def test_outputs_of_an_engine_stay_when_the_next_image_comes(
    tensorrt, bundle_path, use_cuda_graph
):
    request = BackendRequest(
        backend='tensorrt', engine_build='wait', use_cuda_graph=use_cuda_graph
    )
    backend = open_backend(load_bundle(bundle_path), request)
    outputs = backend.run(np.ones((1, 32, 32, 3), np.float32))
    kept = [output.copy() for output in outputs]

    backend.run(np.zeros((1, 32, 32, 3), np.float32))

    for output, expected in zip(outputs, kept, strict=True):
        np.testing.assert_array_equal(output, expected)


def test_without_a_build_the_detector_says_nothing_of_engines(tensorrt, bundle_path):
    detector = Detector.from_bundle(bundle_path, engine_build='off')

    assert 'engine' not in detector.backend.notice.text
    assert detector.backend.description.startswith('ONNX Runtime')


def test_an_engine_of_another_gpu_is_rebuilt_with_the_reason(tensorrt, bundle_path, monkeypatch):
    request = BackendRequest(engine_build='wait')
    open_backend(load_bundle(bundle_path), request)
    assert open_backend(load_bundle(bundle_path), BackendRequest()).notice.text == ''

    monkeypatch.setenv('STAND_IN_GPU', 'Orin')
    backend = open_backend(load_bundle(bundle_path), BackendRequest())
    backend.wait()

    assert 'the GPU was Stand-in; it is Orin now' in str(backend.notice)
    assert backend.description.startswith('tensorrt')
    assert open_backend(load_bundle(bundle_path), BackendRequest()).notice.text == ''


def test_a_truncated_engine_is_rebuilt(tensorrt, bundle_path):
    open_backend(load_bundle(bundle_path), BackendRequest(engine_build='wait'))
    path = default_folder('tiny') / 'model_fp32.engine'
    path.write_bytes(path.read_bytes()[:50])

    backend = open_backend(load_bundle(bundle_path), BackendRequest())
    backend.wait()

    assert '50 bytes); it was cut off or changed' in str(backend.notice)
    assert backend.description.startswith('tensorrt')


def test_an_engine_with_other_boxes_is_not_swapped_in(tensorrt, tmp_path):
    path = write_verifiable_bundle(tmp_path / 'shifted', box_shift=0.25)

    detector = Detector.from_bundle(path)
    detector.backend.wait()

    assert 'FAIL tensorrt 10.3.0' in str(detector.backend.notice)
    assert detector.backend.description.startswith('ONNX Runtime')
    assert detector(image()).labels == ['red']


def test_a_real_engine_that_can_not_be_loaded_here_leaves_the_cpu(gpu, bundle_path):
    pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx is not installed')

    detector = Detector.from_bundle(bundle_path)
    detector.backend.wait()

    assert 'tensorrt_rtx' in str(detector.backend.notice)
    assert 'can not load it' in str(detector.backend.notice)
    assert detector(image()).labels == ['red']


def test_a_folder_that_can_not_be_written_leaves_the_stand_in(tensorrt, bundle_path, tmp_path):
    (tmp_path / 'file').write_text('no folder')

    backend = open_backend(
        load_bundle(bundle_path), BackendRequest(engine_folder=tmp_path / 'file/engines')
    )
    backend.wait()

    assert 'can not be written' in str(backend.notice) and 'goes on' in str(backend.notice)
    assert backend.notice.needs_action


def test_without_a_build_tensorrt_is_an_error_and_auto_the_cpu(tensorrt, bundle_path):
    bundle = load_bundle(bundle_path)

    with pytest.raises(BackendError, match='no engine was built yet; run python -m'):
        open_backend(bundle, BackendRequest(backend='tensorrt', engine_build='off'))
    assert 'ONNX' in open_backend(bundle, BackendRequest(engine_build='off')).description


def test_the_command_builds_runs_and_keeps(tensorrt, bundle_path, caplog, capsys):
    caplog.set_level('INFO')

    assert main([str(bundle_path)]) == 0
    assert 'no engine was built yet' in caplog.text and 'PASS tensorrt 10.3.0' in caplog.text
    assert capsys.readouterr().out.strip().endswith('tiny/model_fp32.engine')

    caplog.clear()
    assert main([str(bundle_path), '--build_only']) == 0
    assert 'fits; kept' in caplog.text and 'PASS' not in caplog.text


def test_the_command_fails_when_the_engine_gives_other_boxes(tensorrt, tmp_path, capsys):
    path = write_verifiable_bundle(tmp_path / 'shifted', box_shift=0.25)

    assert main([str(path)]) == 1
    assert 'FAIL tensorrt 10.3.0' in capsys.readouterr().err


def test_a_recorded_inference_can_be_verified(tensorrt, bundle_path, capsys):
    arguments = [str(bundle_path), '--backend', 'tensorrt', '--use_cuda_graph']

    assert verify.main(arguments) == 0
    assert 'PASS tensorrt 10.3.0, model_fp32.engine, CUDA graph (FP32)' in capsys.readouterr().out


def test_the_command_needs_no_parity_file(tensorrt, tmp_path, caplog):
    caplog.set_level('INFO')

    assert main([str(write_tiny_bundle(tmp_path / 'plain'))]) == 0
    assert 'parity.npz: is not in the bundle' in caplog.text


def test_rebuild_builds_again(tensorrt, bundle_path):
    main([str(bundle_path)])
    path = default_folder('tiny') / 'model_fp32.engine'
    first = path.stat().st_mtime_ns

    assert main([str(bundle_path), '--rebuild']) == 0
    assert path.stat().st_mtime_ns > first


def test_measured_times_go_from_one_build_to_the_next(tensorrt, bundle_path, tmp_path):
    arguments = [str(bundle_path), '--rebuild', '--timing_cache', str(tmp_path / 'times.bin')]

    assert [main(arguments), main(arguments)] == [0, 0]

    assert (tmp_path / 'times.bin').read_bytes() == b'times;times;'
