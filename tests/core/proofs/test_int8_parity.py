"""INT8 is held to what its file gave where it was made: damage is refused, rounding is not."""

from pathlib import Path

import numpy as np
import onnx
from onnx import numpy_helper
import pytest

from ssd_detector import BundleError
from ssd_detector.backends.backend import RawOutputs
from ssd_detector.backends.cpu_features import multiplies_int8_exactly
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.backends.openvino import OpenVinoBackend
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT
from ssd_detector.proofs.int8_parity import measure_int8_difference, select_int8_outputs
from ssd_detector.proofs.parity import Parity, verify_backend
from ssd_detector.proofs.parity_file import read_parity, write_parity

RELEASED = Path(__file__).parents[3] / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'
BOXES = np.array([[[0.0, 0.0, 0.5, 0.5], [0.5, 0.5, 1.0, 1.0]]], np.float32)
SCORES = np.array([[[0.1, 0.9], [0.7, 0.3]]], np.float32)


@pytest.fixture(scope='module')
def parity():
    return read_parity(load_bundle(RELEASED))


def verify(backend, parity):
    return verify_backend(backend, parity, precision='INT8', path=RELEASED)


@pytest.mark.parametrize('name', [INT8_CPU, INT8_TRT])
@pytest.mark.parametrize('optimization', ['all', 'off'])
def test_the_released_files_pass_however_they_are_rounded(parity, name, optimization):
    backend = OnnxRuntimeBackend(RELEASED / name, graph_optimization=optimization)

    result = verify(backend, parity)

    assert result.is_good, str(result)
    # Twice what boxes and scores differ by between the ways to round on this network.
    allowed = (result.tolerance.box_px, result.tolerance.score)
    assert allowed == pytest.approx((10.946, 0.276), abs=0.001)


@pytest.mark.skipif(not multiplies_int8_exactly(), reason='this CPU has no VNNI')
def test_openvino_passes(parity):
    result = verify(OpenVinoBackend(RELEASED / INT8_CPU), parity)

    assert result.is_good, str(result)


def change(model, name, values):
    """Replace a constant of a model by what a function makes of it."""
    constant = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    changed = numpy_helper.from_array(values(numpy_helper.to_array(constant)), name)
    constant.CopyFrom(changed)


def mix_up_channels(model):
    change(model, kernel_of(model, 10).input[0], lambda kernel: np.roll(kernel, 1, axis=0))


def forget_scales_of_channels(model):
    change(
        model, kernel_of(model, 30).input[1], lambda scales: np.full_like(scales, scales.mean())
    )


def forget_a_bias(model):
    convolution = [node for node in model.graph.node if node.op_type == 'Conv'][20]
    makers = {node.output[0]: node for node in model.graph.node}
    bias = convolution.input[2]
    change(model, makers[bias].input[0] if bias in makers else bias, np.zeros_like)


def kernel_of(model, index):
    """Find the node that dequantizes the kernel of a Conv."""
    makers = {node.output[0]: node for node in model.graph.node}
    convolutions = [node for node in model.graph.node if node.op_type == 'Conv']
    return makers[convolutions[index].input[1]]


@pytest.mark.parametrize('name', [INT8_CPU, INT8_TRT])
@pytest.mark.parametrize('damage', [mix_up_channels, forget_scales_of_channels, forget_a_bias])
def test_a_damaged_file_is_refused(parity, tmp_path, name, damage):
    model = onnx.load(RELEASED / name)
    damage(model)
    onnx.save(model, tmp_path / name)

    result = verify(OnnxRuntimeBackend(tmp_path / name), parity)

    assert not result.is_good, str(result)
    assert str(result).startswith('FAIL')


def test_the_float_file_is_no_farther_away_than_another_way_to_round(parity):
    """Without the correction of biases it was."""
    changes = [
        verify(OnnxRuntimeBackend(RELEASED / name, graph_optimization=way), parity).score_change
        for name in (INT8_CPU, INT8_TRT)
        for way in ('all', 'off')
    ]

    assert verify(OnnxRuntimeBackend(RELEASED / 'model.onnx'), parity).score_change < max(changes)


def test_confident_priors_are_kept():
    kept = select_int8_outputs(BOXES, SCORES)

    np.testing.assert_array_equal(kept.prior_indices, [0])
    np.testing.assert_array_equal(kept.boxes_normalized_xyxy, BOXES[0, :1])


def test_a_network_that_is_never_confident_keeps_its_best_priors():
    kept = select_int8_outputs(BOXES, SCORES / 2)

    np.testing.assert_array_equal(kept.prior_indices, [0, 1])


def test_a_shift_a_change_and_a_new_confident_prior_are_measured():
    expected = select_int8_outputs(BOXES, SCORES)
    shifted = BOXES + np.float32([[[0, 0.25, 0, 0], [1, 1, 1, 1]]])
    invented = SCORES + np.float32([[[0, -0.125], [0, 0.5]]])

    assert measure_int8_difference(RawOutputs(BOXES, SCORES), expected, 32) == (0, 0)
    assert measure_int8_difference(RawOutputs(shifted, SCORES), expected, 32) == (8, 0)
    shift, score_change = measure_int8_difference(RawOutputs(BOXES, invented), expected, 32)
    assert (shift, score_change) == (0, pytest.approx(0.3))


def test_nan_is_a_difference():
    expected = select_int8_outputs(BOXES, SCORES)

    _, score_change = measure_int8_difference(RawOutputs(BOXES, SCORES * np.nan), expected, 32)

    assert not score_change <= 1


def test_what_was_written_is_read_back(parity, tmp_path):
    write_parity(tmp_path / 'parity.npz', parity)

    with np.load(tmp_path / 'parity.npz') as arrays:
        assert arrays[f'scores/{INT8_CPU}'].shape == parity.int8_outputs[INT8_CPU].scores.shape
    assert set(parity.int8_outputs) == {INT8_CPU, INT8_TRT}


def test_a_bundle_from_before_says_what_to_do(parity):
    old = Parity(parity.images_rgb, parity.boxes_normalized_xyxy, parity.scores, parity.tolerances)

    with pytest.raises(BundleError, match='holds no outputs of an INT8 file; validate'):
        verify(OnnxRuntimeBackend(RELEASED / INT8_CPU), old)
