"""Biases of INT8 files: what rounded kernels add on average is taken off."""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime
import pytest

from ssd_detector.backends.backend import INPUT_NAME, stack_outputs
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.bundles.contents import MODEL
from ssd_detector.preprocess import preprocess
from ssd_detector.proofs.int8_parity import select_confident
from ssd_training.quantization.bias_correction import measure_bias_shifts
from ssd_training.quantization.calibration import measure_ranges
from ssd_training.quantization.int8_files import CALIBRATED_OPS, quantize_model, TensorGrids

RELEASED = Path(__file__).parents[3] / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'
RNG = np.random.default_rng(0)


# Of each layer: kernel and output.
TENSORS = {'first': ('wide', 'a'), 'depthwise': ('deep', 'c'), 'last': ('point', 'd')}


def conv(name, inputs, output, **attributes):
    return helper.make_node('Conv', inputs, [output], name=name, **attributes)


@pytest.fixture(scope='module')
def small(tmp_path_factory):
    """Write a depthwise layer and one without a bias, which share nothing but their input."""
    constants = {
        'wide': RNG.normal(size=(6, 3, 3, 3)),
        'deep': RNG.normal(size=(6, 1, 3, 3)),
        'point': RNG.normal(size=(4, 6, 1, 1)),
        # Of two layers: a converter keeps equal constants once.
        'bias': RNG.normal(size=6),
    }
    nodes = [
        helper.make_node('Transpose', [INPUT_NAME], ['image'], name='t', perm=[0, 3, 1, 2]),
        conv('first', ['image', 'wide', 'bias'], 'a', pads=[1, 1, 1, 1], strides=[2, 2]),
        helper.make_node('Relu', ['a'], ['b'], name='relu'),
        conv('depthwise', ['b', 'deep', 'bias'], 'c', pads=[1, 1, 1, 1], group=6),
        conv('last', ['c', 'point'], 'd'),
    ]
    graph = helper.make_graph(
        nodes,
        'small',
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, [1, 16, 16, 3])],
        [helper.make_tensor_value_info('d', TensorProto.FLOAT, [1, 4, 8, 8])],
        [numpy_helper.from_array(v.astype(np.float32), name) for name, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)])
    model.ir_version = 8
    path = tmp_path_factory.mktemp('small') / 'model.onnx'
    onnx.save(model, path)
    return path


@pytest.fixture(scope='module')
def images():
    return [RNG.random((1, 16, 16, 3), np.float32) for _ in range(4)]


@pytest.fixture(scope='module')
def grids(small, images):
    return TensorGrids(measure_ranges(small, images, method='minmax', op_types=CALIBRATED_OPS))


def constants_of(path):
    return {
        tensor.name: numpy_helper.to_array(tensor) for tensor in onnx.load(path).graph.initializer
    }


def biases_of(path):
    constants = constants_of(path)
    kernels = {node.name: node for node in onnx.load(path).graph.node if node.op_type == 'Conv'}
    return {
        name: constants[node.input[2]] if len(node.input) > 2 else None
        for name, node in kernels.items()
    }


def test_shifts_are_what_the_rounded_kernels_add_to_the_mean_of_each_channel(
    small, images, grids, tmp_path
):
    """By the slow way: one layer after the other gets its rounded kernel, and both are run."""
    quantize_model(small, tmp_path / 'q.onnx', target='trt', grids=grids)
    rounded = constants_of(tmp_path / 'q.onnx')

    shifts = measure_bias_shifts(small, grids, images)

    assert shifts.keys() == TENSORS.keys()
    for name, (kernel, output) in TENSORS.items():
        model = onnx.load(small)
        model.graph.output.insert(
            0, helper.make_tensor_value_info(output, TensorProto.FLOAT, None)
        )
        before = mean_of_channels(model, images)
        (tensor,) = (tensor for tensor in model.graph.initializer if tensor.name == kernel)
        steps = rounded[f'{kernel}_scale'].reshape(-1, 1, 1, 1)
        changed = rounded[f'{kernel}_quantized'].astype(np.float32) * steps
        tensor.CopyFrom(numpy_helper.from_array(changed, kernel))
        expected = mean_of_channels(model, images) - before
        assert np.abs(expected).max() > 1e-4
        np.testing.assert_allclose(shifts[name], expected, atol=2e-6)


def mean_of_channels(model, images):
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    outputs = [session.run(None, {INPUT_NAME: image})[0] for image in images]
    return np.mean(outputs, axis=(0, 1, 3, 4))


@pytest.mark.parametrize('target', ['cpu', 'trt'])
def test_each_layer_that_becomes_int8_gets_a_bias_of_its_own(small, grids, target, tmp_path):
    shifts = {name: np.arange(n, dtype=np.float32) for name, n in (('first', 6), ('last', 4))}
    corrected = TensorGrids(grids.ranges, bias_shifts=shifts)

    quantize_model(small, tmp_path / 'q.onnx', target='trt', grids=corrected, float_nodes=['last'])

    before, after = biases_of(small), biases_of(tmp_path / 'q.onnx')
    np.testing.assert_allclose(after['first'], before['first'] - shifts['first'], atol=1e-6)
    np.testing.assert_array_equal(after['depthwise'], before['depthwise'])
    assert after['last'] is None
    names = [tensor.name for tensor in onnx.load(tmp_path / 'q.onnx').graph.initializer]
    assert len(names) == len(set(names))
    quantize_model(small, tmp_path / 'q.onnx', target=target, grids=corrected)
    onnx.checker.check_model(str(tmp_path / 'q.onnx'), full_check=True)


def test_the_released_network_is_nearer_to_float_on_photographs_that_did_not_calibrate(tmp_path):
    import skimage.data

    size_px = load_bundle(RELEASED).manifest.input_size_px
    images = [preprocess(image, size_px) for image in photographs(skimage.data)]
    calibrating, others = images[:4], images[4:]
    path = RELEASED / MODEL
    ranges = measure_ranges(path, calibrating, method='minmax', op_types=CALIBRATED_OPS)
    plain = TensorGrids(ranges)
    shifts = measure_bias_shifts(path, plain, calibrating)
    expected = stack_outputs([OnnxRuntimeBackend(path).run(image) for image in others])
    confident = select_confident(expected.scores)

    errors = []
    for grids in (plain, TensorGrids(ranges, bias_shifts=shifts)):
        quantize_model(path, tmp_path / 'q.onnx', target='cpu', grids=grids)
        backend = OnnxRuntimeBackend(tmp_path / 'q.onnx')
        found = stack_outputs([backend.run(image) for image in others])
        errors.append(np.abs(found.scores - expected.scores)[confident].mean())

    assert errors[1] < 0.7 * errors[0]


def photographs(data):
    whole = [data.astronaut(), data.chelsea(), data.coffee(), data.stereo_motorcycle()[0]]
    return [np.ascontiguousarray(part) for image in whole for part in (image, image[:, ::-1])]
