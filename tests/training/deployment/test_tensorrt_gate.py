"""The gate without a GPU: TensorRT's parser and builder on what goes to a Jetson."""

from pathlib import Path

import numpy as np
from onnxruntime.quantization import QuantFormat, quantize_static, QuantType
import pytest

from ssd_detector import BackendError
from ssd_detector.backends.tensorrt.api import build_engine, BuildOptions
from ssd_detector.build_engine import main
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT, MODEL, MODEL_FP16
from ssd_training.quantization.calibration import InputReader

RELEASED = Path(__file__).parents[3] / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'


@pytest.fixture(scope='module')
def trt():
    return pytest.importorskip('tensorrt_rtx', reason='tensorrt-rtx is not installed')


@pytest.fixture(scope='module')
def image():
    size_px = load_bundle(RELEASED).manifest.input_size_px
    return np.random.default_rng(0).random((1, size_px, size_px, 3), np.float32)


@pytest.fixture(scope='module')
def model_path():
    return RELEASED / MODEL


@pytest.mark.parametrize('precision', ['FP32', 'FP16', 'INT8'])
def test_tensorrt_builds_what_was_released(trt, precision, capsys):
    assert main([str(RELEASED), '--precision', precision, '--check_only']) == 0

    name = {'FP32': MODEL, 'FP16': MODEL_FP16, 'INT8': INT8_TRT}[precision]
    assert f'{name}: tensorrt_rtx' in capsys.readouterr().out


def test_tensorrt_refuses_the_released_file_for_cpus(trt):
    with pytest.raises(BackendError, match='can not read it'):
        build_engine(trt, RELEASED / INT8_CPU, BuildOptions(precision='INT8'))


def test_tensorrt_refuses_what_the_options_of_the_reference_make(trt, model_path, image, tmp_path):
    """Fault 16: QDQ, int8, all defaults: asymmetric, int32 biases, everything quantized."""
    quantize_static(
        model_path,
        tmp_path / 'q.onnx',
        InputReader([image]),
        quant_format=QuantFormat.QDQ,
        activation_type=QuantType.QInt8,
        weight_type=QuantType.QInt8,
    )

    with pytest.raises(BackendError, match='can not read it'):
        build_engine(trt, tmp_path / 'q.onnx', BuildOptions(precision='INT8'))
