"""The network that quantization-aware training trains, and the float network that it deploys."""

from dataclasses import dataclass
from typing import Any

import keras
from keras import layers
import numpy as np
from numpy.typing import NDArray

from ssd_training.experiments.training_schema import QuantizationSettings
from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.fake_quantization import (
    ActivationQuantizer,
    Grid,
    HALF_STEPS,
    INT8,
    is_quantized,
    QuantizedConv2D,
    QuantizedDepthwiseConv2D,
)

# keras.applications' own name for its last activation.
_RELU_OF = {'out_relu': 'Conv_1'}


@dataclass(frozen=True)
class Grids:
    """
    What activations are rounded to.

    :param linear: the input, projections and their sums
    :param relu6: what is behind ReLU6
    :param head: what the heads say; None leaves it in float
    """

    linear: Grid
    relu6: Grid
    head: Grid | None


# TensorRT takes int8 alone; ONNX Runtime is fast with uint8 that does the clipping of ReLU6, and
# needs a grid behind each convolution.
TENSORRT_GRIDS = Grids(INT8, INT8, None)
CPU_GRIDS = Grids(INT8, HALF_STEPS, INT8)
_QUANTIZED = {
    layers.Conv2D: QuantizedConv2D,
    layers.DepthwiseConv2D: QuantizedDepthwiseConv2D,
}


def quantizer_name(layer_name: str) -> str:
    """
    Name the quantizer of what a layer gives; the layer of a convolution is itself, not its ReLU6.

    :param layer_name: of the convolution, the addition or the normalization
    :return: name of the layer behind it
    """
    return f'{layer_name}_quantizer'


def build_quantized(
    model: keras.Model, settings: QuantizationSettings, grids: Grids = TENSORRT_GRIDS
) -> keras.Model:
    """
    Build the network with fake quantization, from the weights that a float network has.

    BatchNorm is folded into the convolution before: what is trained is what is exported.

    :param model: from build_ssd; stays as it is
    :param settings: the section `quantization`
    :param grids: of activations; weights and trained steps are the same for both, and the coarser
        ones, TensorRT's, train
    :return: a network with the same inputs and outputs
    """
    builder = _Builder(model, settings, grids)
    quantized = builder.build()
    for name, weights in _fold(model).items():
        quantized.get_layer(name).set_weights(weights)
    return quantized


def build_float_twin(model: keras.Model, quantized: keras.Model) -> keras.Model:
    """
    Build the network that the export takes: the trained weights, no quantizers.

    :param model: from build_ssd; its weights do not matter
    :param quantized: from build_quantized, of the same architecture
    :return: a network without BatchNorm; biases on the grid of int8, kernels as trained
    """
    twin = _Builder(model, None, TENSORRT_GRIDS).build()
    for layer in quantized.layers:
        if is_quantized(layer):
            bias = keras.ops.convert_to_numpy(layer.quantized_bias())
            twin.get_layer(layer.name).set_weights([layer.kernel.numpy(), bias])
    return twin


class _Builder:
    """
    Calls the layers of a network anew, with quantizers between them, or without.

    :param model: from build_ssd
    :param settings: None leaves the quantizers out
    :param grids: of activations
    """

    def __init__(
        self,
        model: keras.Model,
        settings: QuantizationSettings | None,
        grids: Grids,
    ) -> None:
        self._model = model
        self._settings = settings
        self._grids = grids
        # By id of the symbolic tensor.
        self._quantizers: dict[int, ActivationQuantizer] = {}
        self._tensors: list[Any] = []
        self._names = {layer.name for layer in model.layers}

    def build(self) -> keras.Model:
        """
        Build the network.

        :return: with weights of its own
        """
        return keras.models.clone_model(
            self._model, clone_function=self._make, call_function=self._call
        )

    def _make(self, layer: keras.Layer) -> keras.Layer:
        config = layer.get_config()
        if not _is_convolution(layer):
            return layer.__class__.from_config(config)
        kind: Any = _QUANTIZED[type(layer)] if self._settings else type(layer)
        made = kind.from_config(config | {'use_bias': True})
        made.trainable = layer.trainable
        return made

    def _call(self, layer: keras.Layer, features: Any, **arguments: Any) -> Any:
        if isinstance(layer, layers.BatchNormalization):
            # Folded. Behind the backbone's linear projections there is no ReLU6 to wait for.
            if not layer.name.endswith('_project_BN'):
                return features
            return self._quantize(features, layer.name.removesuffix('_BN'), self._grids.linear)
        if is_quantized(layer):
            quantizer = self._quantizers[id(features)]
            layer.input_quantizer_name, layer.input_step = quantizer.name, quantizer.step
        outputs = layer(features, **arguments)
        if isinstance(layer, layers.ReLU):
            convolution = _RELU_OF.get(layer.name, layer.name.removesuffix('_relu'))
            return self._quantize(outputs, convolution, self._grids.relu6)
        if isinstance(layer, layers.Add | layers.Rescaling):
            return self._quantize(outputs, layer.name, self._grids.linear)
        if _is_convolution(layer) and batch_norm_name(layer.name) not in self._names:
            return self._quantize(outputs, layer.name, self._grids.head)
        if isinstance(layer, layers.ZeroPadding2D) and self._settings:
            self._remember(outputs, self._quantizers[id(features)])
        return outputs

    def _quantize(self, features: Any, name: str, grid: Grid | None) -> Any:
        if self._settings is None:
            return features
        quantizer = ActivationQuantizer(
            grid,
            observed_batches=self._settings.observed_batches,
            name=quantizer_name(name),
        )
        outputs = quantizer(features)
        self._remember(outputs, quantizer)
        return outputs

    def _remember(self, outputs: Any, quantizer: ActivationQuantizer) -> None:
        # Kept alive, so that no other tensor gets its id.
        self._tensors.append(outputs)
        self._quantizers[id(outputs)] = quantizer


def _is_convolution(layer: keras.Layer) -> bool:
    return isinstance(layer, tuple(_QUANTIZED))


def _fold(model: keras.Model) -> dict[str, list[NDArray[np.float32]]]:
    """Give kernel and bias of each convolution with its BatchNorm in it, by the layer's name."""
    by_name = {layer.name: layer for layer in model.layers}
    folded = {}
    for layer in filter(_is_convolution, model.layers):
        kernel, *bias = (array.astype(np.float64) for array in layer.get_weights())
        norm = by_name.get(batch_norm_name(layer.name))
        if norm is not None:
            gamma, beta, mean, variance = (
                array.astype(np.float64) for array in norm.get_weights()
            )
            factor = gamma / np.sqrt(variance + norm.epsilon)
            is_depthwise = isinstance(layer, layers.DepthwiseConv2D)
            kernel = kernel * (factor[:, None] if is_depthwise else factor)
            bias = [beta - mean * factor]
        folded[layer.name] = [kernel.astype(np.float32), bias[0].astype(np.float32)]
    return folded
