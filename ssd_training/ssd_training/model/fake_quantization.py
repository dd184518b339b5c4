"""
Layers that train with the numbers INT8 will compute with: symmetric int8, arXiv:1712.05877.

Their steps are rounded to a few bits of mantissa. Products of quantized numbers, and sums of
fewer than 2**24 of the finest unit, are then exact in float32, in whatever order they are added:
Keras and ONNX Runtime agree to the bit, although their convolutions add in other orders.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
from keras import layers, ops

Tensor = Any

LARGEST_LEVEL = 127
# Together they leave partial sums room for 8 to 32 times the largest product of a layer.
_ACTIVATION_BITS, _KERNEL_BITS = 3, 4
_FLOAT32_BITS = 24
# A channel of smaller weights would need a bias of more than 2**24 steps.
_SMALLEST_RANGE = 2.0**-7


@dataclass(frozen=True)
class Grid:
    """
    The numbers that a tensor may hold, in steps.

    :param low: the lowest level
    :param high: the highest level
    :param steps_per_step: 2 halves the step that was trained
    """

    low: int
    high: int
    steps_per_step: int = 1


INT8 = Grid(-128, LARGEST_LEVEL)
# What ReLU6 leaves has no negative numbers: uint8 holds the same range in steps of half the size.
HALF_STEPS = Grid(0, 255, steps_per_step=2)


class ActivationQuantizer(layers.Layer):
    """
    Rounds activations to a grid; straight-through gradients inside its range, none outside.

    The range is the mean, over the first batches that are trained on, of the largest absolute
    value of each image; then it stays as it is. It is a mean so that a rare value costs the
    others no resolution.

    :param grid: of the outputs; None observes, and changes nothing
    :param observed_batches: whose mean is taken
    """

    def __init__(self, grid: Grid | None, *, observed_batches: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._grid = grid
        self._observed_batches = observed_batches

    def build(self, input_shape: Any) -> None:
        """
        Make the range, which training does not change by gradients.

        :param input_shape: not needed
        """
        del input_shape
        self.largest = self.add_weight(
            name='largest', shape=(), initializer='zeros', trainable=False
        )
        self.num_observed = self.add_weight(
            name='num_observed', shape=(), initializer='zeros', trainable=False
        )

    @property
    def grid(self) -> Grid | None:
        """What the outputs are rounded to; None for nothing."""
        return self._grid

    def step(self) -> Tensor:
        """
        Give the step of int8.

        :return: float32 scalar
        """
        return round_to_bits(
            ops.maximum(self.largest, _SMALLEST_RANGE) / LARGEST_LEVEL, _ACTIVATION_BITS
        )

    def call(self, features: Tensor, training: bool = False) -> Tensor:
        """
        Round to the grid; while training, first observe.

        :param features: (B, H, W, C) float32
        :param training: observe
        :return: the same shape
        """
        if training:
            self._observe(features)
        if self._grid is None:
            return features
        return fake_quantize(features, self.step() / self._grid.steps_per_step, self._grid)

    def compute_output_shape(self, input_shape: Any) -> Any:
        """
        Tell the shape of the outputs.

        :param input_shape: of the inputs
        :return: the same
        """
        return input_shape

    def _observe(self, features: Tensor) -> None:
        found = ops.mean(ops.max(ops.abs(features), axis=(1, 2, 3)))
        is_wanted = ops.cast(self.num_observed < self._observed_batches, 'float32')
        share = is_wanted / (self.num_observed + 1.0)
        self.largest.assign_add((ops.stop_gradient(found) - self.largest) * share)
        self.num_observed.assign_add(is_wanted)


class _QuantizedKernel:
    """
    What both convolutions share: kernel and bias on the grid that int8 has.

    Who builds the network sets `input_quantizer_name`, and `input_step`, its `step`: a function,
    because Keras would count the weights of a layer twice.
    """

    kernel: Any
    bias: Any
    kernel_axes: tuple[int, ...]
    input_quantizer_name: str
    input_step: Callable[[], Tensor]

    def kernel_steps(self) -> Tensor:
        """
        Give the step of each output channel.

        :return: float32, of the kernel's shape with 1 on the axes that are summed over
        """
        largest = ops.max(ops.abs(self.kernel), axis=self.kernel_axes, keepdims=True)
        return ops.stop_gradient(kernel_steps(largest))

    def quantized_kernel(self) -> Tensor:
        """
        Round the kernel, for each output channel with a step of its own.

        :return: of the kernel's shape
        """
        return fake_quantize(self.kernel, self.kernel_steps(), INT8)

    def quantized_bias(self) -> Tensor:
        """
        Round the bias to the steps that sums of products have.

        :return: (C,) float32
        """
        steps = ops.reshape(self.kernel_steps(), (-1,)) * self.input_step()
        rounded = ops.stop_gradient(ops.round(self.bias / steps) * steps)
        return rounded + (self.bias - ops.stop_gradient(self.bias))


class QuantizedConv2D(_QuantizedKernel, layers.Conv2D):
    """Convolution with a kernel of int8."""

    kernel_axes = (0, 1, 2)

    def call(self, inputs: Tensor) -> Tensor:
        """
        Convolve.

        :param inputs: (B, H, W, C), quantized
        :return: outputs, not yet quantized
        """
        return self.convolution_op(inputs, self.quantized_kernel()) + self.quantized_bias()


class QuantizedDepthwiseConv2D(_QuantizedKernel, layers.DepthwiseConv2D):
    """Depthwise convolution with a kernel of int8."""

    kernel_axes = (0, 1, 3)

    def call(self, inputs: Tensor) -> Tensor:
        """
        Convolve.

        :param inputs: (B, H, W, C), quantized
        :return: outputs, not yet quantized
        """
        kernel = self.quantized_kernel()
        outputs = ops.depthwise_conv(inputs, kernel, strides=self.strides, padding=self.padding)
        return outputs + self.quantized_bias()


def fake_quantize(values: Tensor, step: Tensor, grid: Grid) -> Tensor:
    """
    Round to a grid; the gradient is that of clipping alone (straight through, arXiv:1308.3432).

    :param values: float32
    :param step: float32, broadcast over the values
    :param grid: its levels
    :return: of the same shape, each a multiple of the step
    """
    levels = ops.clip(ops.round(values / step), grid.low, grid.high)
    clipped = ops.clip(values, grid.low * step, grid.high * step)
    # The difference is 0, but not its gradient; adding it last keeps the multiples exact.
    return ops.stop_gradient(levels * step) + (clipped - ops.stop_gradient(clipped))


def kernel_steps(largest: Tensor) -> Tensor:
    """
    Choose the steps of a kernel so that the largest weight of a channel is not clipped.

    :param largest: absolute weight of each channel
    :return: float32, of the same shape
    """
    raised = ops.maximum(largest, _SMALLEST_RANGE) / LARGEST_LEVEL * (1 + 2.0**-_KERNEL_BITS)
    return round_to_bits(raised, _KERNEL_BITS)


def round_to_bits(values: Tensor, num_bits: int) -> Tensor:
    """
    Round to the nearest number with a short mantissa (Dekker's splitting, Veltkamp).

    :param values: float32
    :param num_bits: of the mantissa that stay, the leading one included
    :return: of the same shape
    """
    shifted = values * (2.0 ** (_FLOAT32_BITS - num_bits) + 1)
    return shifted - (shifted - values)


def is_quantized(layer: keras.Layer) -> bool:
    """
    Tell convolutions with a kernel of int8.

    :param layer: of any network
    :return: whether it is one
    """
    return isinstance(layer, _QuantizedKernel)
