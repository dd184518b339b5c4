"""An ONNX graph that grows node by node, with the layers of our network as nodes."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import keras
from keras import layers
import numpy as np
from numpy.typing import NDArray
from onnx import helper, NodeProto, numpy_helper, TensorProto

from ssd_training.errors import ExportError
from ssd_training.model.pretrained import Values

_TO_CHANNELS_FIRST = (0, 3, 1, 2)
_TO_CHANNELS_LAST = (0, 2, 3, 1)


class Graph:
    """Nodes and constants so far; a tensor is known by its name."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: dict[str, TensorProto] = {}

    def add(self, operator: str, name: str, inputs: Sequence[str], **attributes: Any) -> str:
        """
        Add a node of one output.

        :param operator: of ONNX
        :param name: of the node and of what it gives
        :param inputs: tensors
        :param attributes: of the node
        :return: the tensor that it gives
        """
        self.nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: Any, dtype: type = np.float32) -> str:
        """
        Add a constant, or find it again.

        :param name: of the tensor
        :param value: what NumPy takes
        :param dtype: of the tensor
        :return: the name
        """
        if name not in self.constants:
            self.constants[name] = numpy_helper.from_array(np.array(value, dtype), name)
        return name


def add_network(
    graph: Graph, model: keras.Model, values: Values, images: str
) -> Mapping[str, str]:
    """
    Add the layers of a network; BatchNorm is part of the convolutions.

    :param graph: grows
    :param model: from build_ssd
    :param values: of its convolutions, from fold
    :param images: tensor (B, S, S, 3), in [0, 1]
    :return: layer -> the tensor that it gives: channels first, but behind Reshape
    :raises ExportError: when a layer is of a kind that is not known here
    """
    network = _Network(graph, values, images)
    for layer in model.layers:
        network.add(layer)
    return network.tensors


class _Network:
    """The way through the layers, each after those that it takes."""

    def __init__(self, graph: Graph, values: Values, images: str) -> None:
        self.tensors: dict[str, str] = {}
        self._graph, self._values, self._images = graph, values, images
        # Layer -> rows and columns of zeros before and behind, which the next convolution adds.
        self._padding: dict[str, tuple[tuple[int, int], tuple[int, int]]] = {}
        self._adders: dict[type, Callable[..., str]] = {
            layers.InputLayer: lambda layer: self._images,
            layers.Rescaling: self._rescale,
            layers.ZeroPadding2D: self._pad,
            layers.Conv2D: self._convolve,
            layers.DepthwiseConv2D: self._convolve,
            layers.BatchNormalization: lambda layer, features: features,
            layers.ReLU: self._clip,
            layers.Add: lambda layer, *both: self._graph.add('Add', layer.name, both),
            layers.Reshape: self._to_rows,
            layers.Concatenate: lambda layer, *rows: self._graph.add(
                'Concat', layer.name, rows, axis=1
            ),
        }

    def add(self, layer: keras.Layer) -> None:
        add = self._adders.get(type(layer))
        if add is None:
            raise ExportError(
                [
                    f'{layer.name}: is a {type(layer).__name__}, which --converter direct does '
                    f'not know; take --converter tf2onnx'
                ]
            )
        self.tensors[layer.name] = add(layer, *(self.tensors[name] for name in _sources(layer)))

    def _rescale(self, layer: layers.Rescaling, images: str) -> str:
        graph, name = self._graph, layer.name
        scaled = graph.add('Mul', f'{name}_mul', [images, graph.constant('scale', layer.scale)])
        shifted = graph.add('Add', f'{name}_add', [scaled, graph.constant('offset', layer.offset)])
        return graph.add('Transpose', name, [shifted], perm=_TO_CHANNELS_FIRST)

    def _pad(self, layer: layers.ZeroPadding2D, features: str) -> str:
        self._padding[layer.name] = layer.padding
        return features

    def _convolve(self, layer: layers.Conv2D | layers.DepthwiseConv2D, features: str) -> str:
        kernel, bias = self._values[layer.name]
        is_depthwise = isinstance(layer, layers.DepthwiseConv2D)
        # HWIO -> OIHW, and HWC1 -> C1HW.
        kernel = kernel.transpose((2, 3, 0, 1) if is_depthwise else (3, 2, 0, 1))
        (source,) = _sources(layer)
        rows, columns = self._padding.get(source) or _same_padding(layer)
        return self._graph.add(
            'Conv',
            layer.name,
            [
                features,
                self._graph.constant(f'{layer.name}/kernel', kernel),
                self._graph.constant(f'{layer.name}/bias', bias),
            ],
            kernel_shape=layer.kernel_size,
            strides=layer.strides,
            pads=[rows[0], columns[0], rows[1], columns[1]],
            group=len(kernel) if is_depthwise else 1,
        )

    def _clip(self, layer: layers.ReLU, features: str) -> str:
        limits = [
            self._graph.constant('relu_low', 0),
            self._graph.constant('relu_high', layer.max_value),
        ]
        return self._graph.add('Clip', layer.name, [features, *limits])

    def _to_rows(self, layer: layers.Reshape, features: str) -> str:
        _, num_rows, num_columns, _ = layer.input.shape
        if num_rows * num_columns > 1:
            name = f'{layer.name}_last'
            features = self._graph.add('Transpose', name, [features], perm=_TO_CHANNELS_LAST)
        _, num_priors, num_channels = layer.output.shape
        # 0 is the batch as it comes.
        shape = self._graph.constant(
            f'{layer.name}_shape', (0, num_priors, num_channels), np.int64
        )
        return self._graph.add('Reshape', layer.name, [features, shape])


def _sources(layer: keras.Layer) -> list[str]:
    """Name the layers that a layer takes."""
    if isinstance(layer, layers.InputLayer):
        return []
    inputs = layer.input if isinstance(layer.input, list) else [layer.input]
    return [tensor._keras_history.operation.name for tensor in inputs]


def _same_padding(layer: layers.Conv2D) -> tuple[tuple[int, int], tuple[int, int]]:
    """Count the zeros of TensorFlow's `same`: the odd one comes last."""
    if layer.padding == 'valid':
        return (0, 0), (0, 0)
    before_behind: list[tuple[int, int]] = []
    sizes: NDArray[Any] = np.array([layer.input.shape[1:3], layer.kernel_size, layer.strides]).T
    for side, kernel, stride in sizes.tolist():
        total = max((-(-side // stride) - 1) * stride + kernel - side, 0)
        before_behind.append((total // 2, total - total // 2))
    return before_behind[0], before_behind[1]
