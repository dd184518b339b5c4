"""Kernels and biases of a bundle's model.onnx, by the names of the network's layers."""

from collections.abc import Iterator, Mapping, Set
from pathlib import Path
import re

import numpy as np
from numpy.typing import NDArray
import onnx

from ssd_training.errors import WeightsError
from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.pretrained import Values

_IS_DEPTHWISE = 'depthwise'
_SHOWN = 5


def read_convolutions(path: Path, layer_names: Set[str]) -> Values:
    """
    Read the convolutions of a float32 model that was exported here; BatchNorm is folded in them.

    The converter keeps the names of Keras' layers as parts of its own, with a number behind, of
    the convolution or of its BatchNorm; which tensor of a node carries them changes from version
    to version, so that each is looked at.

    :param path: the .onnx file of a bundle that was checked
    :param layer_names: of the network that is wanted; convolutions may have other names, too
    :return: kernel (HWIO, or HWCM of a depthwise one) and bias, by layer
    :raises WeightsError: when a convolution can not be told
    """
    graph = onnx.load(path).graph
    arrays = {
        initializer.name: onnx.numpy_helper.to_array(initializer)
        for initializer in graph.initializer
    }
    layer_of = {name: name for name in layer_names}
    layer_of |= {batch_norm_name(name): name for name in layer_names}
    values: dict[str, list[NDArray[np.float32]]] = {}
    findings = []
    for node in graph.node:
        if node.op_type != 'Conv':
            continue
        name = next(_names_in(node, layer_of), None)
        if name is None or name in values:
            findings.append(node.name or node.output[0])
            continue
        kernel, *biases = (arrays[tensor] for tensor in node.input[1:])
        # A bias of zeros, as in a network that was never trained, is left out of the file.
        bias = biases[0] if biases else np.zeros(kernel.shape[0], np.float32)
        values[name] = [_to_keras(kernel, is_depthwise=_IS_DEPTHWISE in name), bias]
    if findings:
        raise WeightsError(
            [
                f'{path}: {len(findings)} convolutions are no layers of this network, such as '
                f'{", ".join(findings[:_SHOWN])}; the bundle is of another network (head_type, '
                f'extra_layers) or exporter: give the run folder that it was exported from'
            ]
        )
    return values


def _names_in(node: onnx.NodeProto, layer_of: Mapping[str, str]) -> Iterator[str]:
    """Find layers in the names around a convolution; the kernel's first, equal biases are one."""
    for tensor in (node.input[1], node.name, node.output[0], *node.input[2:]):
        for part in tensor.split('/'):
            known = {part, re.sub(r'_\d+$', '', part)} & layer_of.keys()
            # `Conv_1` is a layer, and what Keras makes of a second `Conv`.
            yield from (layer_of[name] for name in sorted(known, key=len, reverse=True))


def _to_keras(kernel: NDArray[np.float32], *, is_depthwise: bool) -> NDArray[np.float32]:
    """Turn OIHW into HWIO, and C1HW into HWC1."""
    return kernel.transpose(2, 3, 0, 1) if is_depthwise else kernel.transpose(2, 3, 1, 0)
