"""model_fp16.onnx: float16 where a GPU computes, float32 where boxes and scores are made."""

import numpy as np
import onnx
from onnx import numpy_helper, TensorProto
import pytest

from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.proofs.parity import Parity
from ssd_training.deployment.conversion import count_operations
from ssd_training.deployment.half_precision import write_half
from ssd_training.deployment.validation import check_half, TOLERANCES
from ssd_training.errors import ExportError


@pytest.fixture(scope='module')
def model(built):
    return onnx.load(built.path / 'model_fp16.onnx')


def constants_of(model):
    return {tensor.name: tensor.data_type for tensor in model.graph.initializer}


def test_convolutions_compute_in_float16_and_nothing_else_is_rounded(model):
    types = constants_of(model)

    for node in model.graph.node:
        found = {types[name] for name in node.input if name in types}
        if node.op_type == 'Conv':
            assert found == {TensorProto.FLOAT16}, node.name
        elif node.op_type in ('Mul', 'Sub', 'Exp', 'Softmax'):
            assert TensorProto.FLOAT16 not in found, node.name


def test_numbers_are_rounded_once_and_read_back_at_boxes_and_scores(model, built):
    counts = count_operations(built.path / 'model_fp16.onnx')

    assert counts['Cast'] == 3
    assert {value.type.tensor_type.elem_type for value in model.graph.output} == {1}
    assert model.graph.input[0].type.tensor_type.elem_type == TensorProto.FLOAT


def test_the_file_is_half_as_large(built):
    # By its weights: of so small a network names and nodes are half the file.
    size, half = (
        sum(numpy_helper.to_array(tensor).nbytes for tensor in onnx.load(path).graph.initializer)
        for path in (built.path / 'model.onnx', built.path / 'model_fp16.onnx')
    )

    assert half < 0.6 * size


def test_it_is_in_the_bundle_and_agrees_with_the_network(built):
    from ssd_detector.bundles.bundle import load_bundle

    assert 'model_fp16.onnx' in load_bundle(built.bundle_path).manifest.models


def test_a_file_that_gives_other_boxes_is_refused(built):
    backend = OnnxRuntimeBackend(built.path / 'model.onnx')
    size_px = 96
    images = np.zeros((1, size_px, size_px, 3), np.uint8)
    boxes, scores = backend.run_batch(images.astype(np.float32) / 255)
    path = built.path / 'model_fp16.onnx'
    parity = Parity(images, boxes, scores, TOLERANCES, {})

    check_half(path, parity)

    with pytest.raises(ExportError, match='model_fp16.onnx: .*FP16.*nothing was written'):
        check_half(path, Parity(images, boxes + 0.1, scores, TOLERANCES, {}))


def test_a_weight_beyond_float16_is_named(built, tmp_path):
    model = onnx.load(built.path / 'model.onnx')
    kernel = next(node.input[1] for node in model.graph.node if node.op_type == 'Conv')
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == kernel)
    array = numpy_helper.to_array(tensor).copy()
    array.flat[0] = 1e5
    tensor.CopyFrom(numpy_helper.from_array(array, kernel))
    onnx.save(model, tmp_path / 'large.onnx')

    with pytest.raises(ExportError, match='holds numbers beyond 65504'):
        write_half(tmp_path / 'large.onnx', tmp_path / 'half.onnx')

    assert not (tmp_path / 'half.onnx').exists()
