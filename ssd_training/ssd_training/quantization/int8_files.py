"""
Static INT8 with Q/DQ, one file for ONNX Runtime on CPUs and one for TensorRT.

Both leave the decoding of boxes and the softmax in float. They differ because the two runtimes
want opposite things: ONNX Runtime is fast with uint8 activations whose grid replaces ReLU6,
TensorRT takes symmetric int8 only and no quantized bias.
"""

# First: it keeps onnxruntime from reporting home.
import ssd_detector  # noqa: F401

# isort: split
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
import onnx
from onnx import numpy_helper
from onnxruntime.quantization import QuantFormat, quantize_static, QuantType

from ssd_training.deployment.float_nodes import find_float_nodes
from ssd_training.errors import ExportError
from ssd_training.quantization.calibration import InputReader, Range

Target = Literal['cpu', 'trt']

FILE_NAMES: dict[Target, str] = {'cpu': 'model_int8_cpu.onnx', 'trt': 'model_int8_trt.onnx'}
# What calibration has to look at, for both targets.
CALIBRATED_OPS = ('Conv', 'Add', 'Clip')


@dataclass(frozen=True)
class _Recipe:
    activation_type: QuantType
    op_types: tuple[str, ...]
    options: Mapping[str, Any] = field(default_factory=dict)

    def quantize_range(self, found: Range) -> dict[str, Any]:
        """Turn a range into scale and zero point."""
        if self.activation_type == QuantType.QInt8:
            scale = max(-found.low, found.high) / 127
            zero_point = np.array(0, np.int8)
        else:
            scale = (found.high - found.low) / 255
            # A tensor that is always 0 has no range.
            zero = round(-found.low / scale) if scale else 0
            zero_point = np.array(zero, np.uint8)
        return {
            'quant_type': self.activation_type,
            'scale': np.array(scale or 1.0, np.float32),
            'zero_point': zero_point,
        }


_RECIPES: dict[Target, _Recipe] = {
    # Clip has to be in the list: the grid then does the clipping, and the operator goes.
    'cpu': _Recipe(QuantType.QUInt8, ('Conv', 'Add', 'Clip')),
    'trt': _Recipe(
        QuantType.QInt8,
        ('Conv', 'Add'),
        {
            'ActivationSymmetric': True,
            'WeightSymmetric': True,
            # TensorRT refuses a DequantizeLinear of int32.
            'QuantizeBias': False,
            # Else a Q/DQ pair parts each Conv from its Clip, which then can't fuse.
            'OpTypesToExcludeOutputQuantization': ['Conv', 'Add'],
        },
    ),
}


@dataclass(frozen=True, eq=False)
class TensorGrids:
    """
    What decides on scales, zero points and biases.

    :param ranges: name of an activation -> what its levels lie between
    :param kernel_steps: name of a kernel -> (C,) float32, from training; the steps of other
        kernels follow from their largest weights
    :param bias_shifts: name of a Conv -> (C,) float32, taken off its bias where it becomes INT8;
        from measure_bias_shifts
    """

    ranges: Mapping[str, Range]
    kernel_steps: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    bias_shifts: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)


def quantize_model(
    model_path: Path,
    destination: Path,
    *,
    target: Target,
    grids: TensorGrids,
    float_nodes: Collection[str] = (),
) -> None:
    """
    Write the INT8 file of one target.

    :param model_path: the float32 ONNX file; slimmed, so that BatchNorm is part of the Conv
    :param destination: the file to write
    :param target: who will run it
    :param grids: from measure_ranges or from training
    :param float_nodes: names of nodes that stay in float, besides normalization and decoding
    :raises ExportError: when the model holds a node name twice, or float_nodes an unknown one
    """
    model = onnx.load(model_path)
    _check_names(model, float_nodes, model_path)
    # onnxslim did what ONNX Runtime's pre-processing would do; without this it warns of that.
    onnx.helper.set_model_props(model, {'onnx.quant.pre_process': 'onnxruntime.quant'})
    _correct_biases(model.graph, grids.bias_shifts, float_nodes)
    recipe = _RECIPES[target]
    overrides = {name: [recipe.quantize_range(found)] for name, found in grids.ranges.items()}
    overrides |= {
        name: [_quantize_channel(step) for step in steps]
        for name, steps in grids.kernel_steps.items()
    }
    quantize_static(
        model,
        destination,
        # The ranges are given: this image only satisfies the interface.
        InputReader([np.zeros(_input_shape(model), np.float32)]),
        quant_format=QuantFormat.QDQ,
        activation_type=recipe.activation_type,
        weight_type=QuantType.QInt8,
        per_channel=True,
        op_types_to_quantize=list(recipe.op_types),
        nodes_to_exclude=[*find_float_nodes(model), *float_nodes],
        extra_options={**recipe.options, 'TensorQuantOverrides': overrides},
    )


def _check_names(model: onnx.ModelProto, float_nodes: Collection[str], path: Path) -> None:
    names = [node.name for node in model.graph.node]
    findings = []
    if len(set(names)) != len(names):
        findings.append(f'{path}: two nodes have one name; convert the model again')
    if unknown := sorted(set(float_nodes) - set(names)):
        findings.append(f'{path}: has no node {", ".join(unknown)} to keep in float')
    if findings:
        raise ExportError(findings)


def _correct_biases(
    graph: onnx.GraphProto,
    shifts: Mapping[str, NDArray[np.float32]],
    float_nodes: Collection[str],
) -> None:
    """Give layers biases of their own: those that are equal share a constant."""
    constants = {tensor.name: tensor for tensor in graph.initializer}
    corrected = [
        node for node in graph.node if node.name in shifts and node.name not in float_nodes
    ]
    for layer in corrected:
        bias = numpy_helper.to_array(constants[layer.input[2]]) if len(layer.input) > 2 else 0.0
        name = f'{layer.name}_corrected_bias'
        values = (bias - shifts[layer.name]).astype(np.float32)
        graph.initializer.append(numpy_helper.from_array(values, name))
        del layer.input[2:]
        layer.input.append(name)
    used = {name for node in graph.node for name in node.input}
    for name in constants.keys() - used:
        graph.initializer.remove(constants[name])


def _quantize_channel(step: np.float32) -> dict[str, Any]:
    return {
        'axis': 0,
        'quant_type': QuantType.QInt8,
        'scale': np.array(step, np.float32),
        'zero_point': np.array(0, np.int8),
    }


def _input_shape(model: onnx.ModelProto) -> list[int]:
    dimensions = model.graph.input[0].type.tensor_type.shape.dim
    # A free batch dimension has the value 0.
    return [dimension.dim_value or 1 for dimension in dimensions]
