"""
The network in float16, for GPUs: TensorRT 11 and RTX take the precision from the file.

Normalization, decoding and scores stay in float32: with the 11 bits of float16 a corner at 300 px
is known to a quarter of a pixel. Input and outputs are float32, as in every file of a bundle. The
converters at hand round the input, too, and leave nodes before those that they take.
"""

from pathlib import Path

import numpy as np
import onnx
from onnx import helper, NodeProto, numpy_helper, TensorProto

from ssd_training.deployment.conversion import save_onnx
from ssd_training.deployment.float_nodes import find_float_nodes
from ssd_training.errors import ExportError

# From the heads to the decoding numbers are only moved.
_MOVES = ('Transpose', 'Reshape', 'Concat')


def write_half(model_path: Path, destination: Path) -> None:
    """
    Write the float16 file.

    :param model_path: the float32 ONNX file
    :param destination: the file to write
    :raises ExportError: when a weight is too large for float16
    """
    model = onnx.load(model_path)
    graph = _HalfGraph(model)
    for node in model.graph.node:
        graph.add(node)
    if graph.too_large:
        raise ExportError(
            [
                f'{model_path}: {name} holds numbers beyond {np.finfo(np.float16).max:g}, which '
                f'float16 can not; train longer or with more weight decay'
                for name in graph.too_large
            ]
        )
    # What it said of the tensors' types is not so any more.
    for old, new in (
        (model.graph.value_info, []),
        (model.graph.node, graph.nodes),
        (model.graph.initializer, graph.constants.values()),
    ):
        del old[:]
        old.extend(new)
    save_onnx(model, destination)


def find_half_nodes(model: onnx.ModelProto) -> set[str]:
    """
    Find what computes in float16: from the first Conv to where the rows of the heads meet.

    :param model: the float32 model
    :return: names of nodes
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    is_outside = set(find_float_nodes(model))
    names: set[str] = set()
    tensors: set[str] = set()
    for node in model.graph.node:
        moves = node.op_type in _MOVES and set(node.input) - constants <= tensors
        if node.name not in is_outside or moves:
            names.add(node.name)
            tensors |= set(node.output)
    return names


class _HalfGraph:
    """The nodes of a model, with a Cast wherever one precision takes what the other gives."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}
        self.too_large: list[str] = []
        self._given = {tensor.name: tensor for tensor in model.graph.initializer}
        self._half_nodes = find_half_nodes(model)
        self._half_tensors: set[str] = set()
        self._casts: dict[str, str] = {}

    def add(self, node: NodeProto) -> None:
        """Add a node behind those that it takes."""
        is_half = node.name in self._half_nodes
        for index, name in enumerate(node.input):
            if name in self._given:
                node.input[index] = self._constant(name, is_half=is_half)
            elif (name in self._half_tensors) != is_half:
                node.input[index] = self._cast(name, is_half=is_half)
        if is_half:
            self._half_tensors |= set(node.output)
        self.nodes.append(node)

    def _constant(self, name: str, *, is_half: bool) -> str:
        tensor = self._given[name]
        if is_half and tensor.data_type == TensorProto.FLOAT:
            with np.errstate(over='ignore'):
                array = numpy_helper.to_array(tensor).astype(np.float16)
            if not np.isfinite(array).all():
                self.too_large.append(name)
            tensor = numpy_helper.from_array(array, f'{name}_half')
        self.constants[tensor.name] = tensor
        return tensor.name

    def _cast(self, name: str, *, is_half: bool) -> str:
        if name not in self._casts:
            self._casts[name] = f'{name}_{"half" if is_half else "float"}'
            to = TensorProto.FLOAT16 if is_half else TensorProto.FLOAT
            cast = self._casts[name]
            self.nodes.append(helper.make_node('Cast', [name], [cast], name=cast, to=to))
        return self._casts[name]
