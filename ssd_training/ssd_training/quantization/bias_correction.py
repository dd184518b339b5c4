"""
What rounded kernels add to the outputs of a layer on average, so that its bias can take it off.

Inputs behind a ReLU6 are never negative: the rounding errors of a kernel do not cancel, but move
the mean of a channel, most of all where a channel has nine weights (depthwise). Data-Free
Quantization (arXiv:1906.04721, section 4.2), with means that are measured on the calibration
images, padding included, instead of those of BatchNorm.
"""

# First: it keeps onnxruntime from reporting home.
import ssd_detector  # noqa: F401

# isort: split
from collections.abc import Sequence
from pathlib import Path
import tempfile

import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import helper, numpy_helper, TensorProto
import onnxruntime

from ssd_detector.backends.backend import INPUT_NAME
from ssd_training.quantization.int8_files import quantize_model, TensorGrids


def measure_bias_shifts(
    model_path: Path, grids: TensorGrids, inputs: Sequence[NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """
    Run the kernels' rounding errors as convolutions of their own, beside the float model.

    :param model_path: the float32 ONNX file
    :param grids: that its kernels will have; those of both targets are the same
    :param inputs: each (1, S, S, 3) float32, in [0, 1]; at least one
    :return: name of a Conv -> (C,) float32: what its rounded kernel gives more than the kernel,
        mean of all images and places
    """
    model = onnx.load(model_path)
    kernels = {tensor.name: tensor for tensor in model.graph.initializer}
    rounded = _round_kernels(model_path, grids)
    layers = [
        node
        for node in model.graph.node
        if node.op_type == 'Conv' and node.input[1] in rounded.keys() & kernels.keys()
    ]
    del model.graph.output[:]
    for layer in layers:
        error = rounded[layer.input[1]] - numpy_helper.to_array(kernels[layer.input[1]])
        _add_error_branch(model.graph, layer, error)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), providers=['CPUExecutionProvider']
    )
    sums = [np.zeros(rounded[layer.input[1]].shape[0]) for layer in layers]
    for image in inputs:
        for total, mean in zip(sums, session.run(None, {INPUT_NAME: image}), strict=True):
            total += np.asarray(mean).reshape(-1)
    return {
        layer.name: (total / len(inputs)).astype(np.float32)
        for layer, total in zip(layers, sums, strict=True)
    }


def _round_kernels(model_path: Path, grids: TensorGrids) -> dict[str, NDArray[np.float32]]:
    """Read what each kernel becomes, from a file that ONNX Runtime has quantized."""
    with tempfile.TemporaryDirectory() as scratch:
        path = Path(scratch, 'int8.onnx')
        quantize_model(model_path, path, target='cpu', grids=grids)
        constants = {
            tensor.name: numpy_helper.to_array(tensor)
            for tensor in onnx.load(path).graph.initializer
        }
    rounded = {}
    for name, levels in constants.items():
        kernel = name.removesuffix('_quantized')
        if kernel != name and levels.ndim == 4:
            steps = constants[f'{kernel}_scale'].reshape(-1, 1, 1, 1)
            rounded[kernel] = levels.astype(np.float32) * steps
    return rounded


def _add_error_branch(
    graph: onnx.GraphProto, layer: onnx.NodeProto, error: NDArray[np.float32]
) -> None:
    """Add an output: the mean of each channel of the layer's input, convolved with the error."""
    name = f'{layer.name}_error'
    graph.initializer.append(numpy_helper.from_array(error.astype(np.float32), f'{name}_kernel'))
    branch = helper.make_node('Conv', [layer.input[0], f'{name}_kernel'], [name], name=name)
    branch.attribute.extend(layer.attribute)
    mean = f'{name}_mean'
    graph.node.extend([branch, helper.make_node('GlobalAveragePool', [name], [mean], name=mean)])
    graph.output.append(helper.make_tensor_value_info(mean, TensorProto.FLOAT, None))
