"""The grids of quantization-aware training, by the names that tensors have in the ONNX file."""

from pathlib import Path

import keras
import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import numpy_helper

from ssd_training.errors import ExportError
from ssd_training.model.fake_quantization import (
    ActivationQuantizer,
    Grid,
    is_quantized,
    LARGEST_LEVEL,
)
from ssd_training.model.quantized_ssd import quantizer_name
from ssd_training.quantization.calibration import Range
from ssd_training.quantization.int8_files import Target, TensorGrids


def find_trained_grids(quantized: keras.Model, model_path: Path, *, target: Target) -> TensorGrids:
    """
    Look up the tensors of an ONNX file in the network that it was exported from.

    The conversion keeps no names of depthwise convolutions. A Conv is recognized by its kernel.

    :param quantized: from build_quantized with the grids of the target; trained
    :param model_path: the float32 ONNX file of its float twin
    :param target: whose file is wanted
    :return: the grids
    :raises ExportError: when the network never saw an image, or is not the file's
    """
    layers = {
        _kernel_key(_onnx_kernel(layer)): layer
        for layer in quantized.layers
        if is_quantized(layer)
    }
    graph = onnx.load(model_path).graph
    constants = {tensor.name: numpy_helper.to_array(tensor) for tensor in graph.initializer}
    activations = {node.input[0]: node.output[0] for node in graph.node if node.op_type == 'Clip'}
    ranges: dict[str, Range] = {}
    kernel_steps: dict[str, NDArray[np.float32]] = {}
    for node in (node for node in graph.node if node.op_type == 'Conv'):
        layer = layers.pop(_kernel_key(constants[node.input[1]]), None)
        if layer is None:
            raise ExportError([f'{model_path}: {node.name}: its kernel is not of this training'])
        kernel_steps[node.input[1]] = keras.ops.convert_to_numpy(layer.kernel_steps()).reshape(-1)
        output = activations.get(node.output[0], node.output[0])
        for tensor, name in (
            (node.input[0], layer.input_quantizer_name),
            (output, quantizer_name(layer.name)),
        ):
            quantizer = quantized.get_layer(name)
            if quantizer.grid is not None:
                ranges[tensor] = _read_range(quantizer, quantizer.grid, target)
    if layers:
        names = ', '.join(layer.name for layer in layers.values())
        raise ExportError([f'{model_path}: has no Conv for {names}; export again'])
    return TensorGrids(ranges, kernel_steps)


def _read_range(quantizer: ActivationQuantizer, grid: Grid, target: Target) -> Range:
    if not float(quantizer.num_observed):
        raise ExportError(
            [f'{quantizer.name}: has seen no image; train before exporting (quantization)']
        )
    # Multiples of a float32 step of few bits: exact, and dividing by the levels gives it back.
    step = float(quantizer.step()) / grid.steps_per_step
    # quantize_model takes symmetric ranges for TensorRT; level -128 has no positive counterpart.
    low = -LARGEST_LEVEL if target == 'trt' else grid.low
    return Range(low * step, grid.high * step)


def _onnx_kernel(layer: keras.Layer) -> NDArray[np.float32]:
    """Give a kernel as ONNX has it: (outputs, inputs of a group, height, width)."""
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    order = (2, 3, 0, 1) if is_depthwise else (3, 2, 0, 1)
    return np.asarray(layer.kernel.numpy()).transpose(order)


def _kernel_key(kernel: NDArray[np.float32]) -> bytes:
    return np.ascontiguousarray(kernel).tobytes()
