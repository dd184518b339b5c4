"""
The network as it trains while the statistics of BatchNorm stay: folded into the convolutions.

The weights are those of the network, and so are the gradients; what is saved is the network. What
is won is the time that products and sums over whole feature maps take.
"""

from typing import Any

import keras
from keras import layers
import tensorflow as tf

from ssd_training.model.backbone import batch_norm_name

Tensor = Any


def fold_statistics(model: keras.Model) -> keras.Model:
    """
    Let a network compute each convolution and its BatchNorm at once, as inference would.

    :param model: from build_ssd or at_size; stays as it is, and shares every weight
    :return: the same function of images and weights as `model(images, training=False)`, up to
        rounding
    """
    convolutions: dict[str, tuple[keras.Layer, Tensor]] = {}

    def call(layer: keras.Layer, features: Any, **arguments: Any) -> Any:
        if layer.name in convolutions:
            convolution, inputs = convolutions[layer.name]
            return FoldedConvolution(convolution, layer)(inputs)
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D):
            convolutions[batch_norm_name(layer.name)] = layer, features
        return layer(features, **arguments)

    return keras.models.clone_model(
        model,
        input_tensors=keras.Input(model.input_shape[1:], name=model.input.name),
        clone_function=lambda layer: layer,
        call_function=call,
    )


class FoldedConvolution(layers.Layer):
    """
    A convolution without bias, and the BatchNorm behind it, whose statistics stay.

    :param convolution: 2D or depthwise
    :param normalization: its BatchNorm
    """

    def __init__(self, convolution: keras.Layer, normalization: layers.BatchNormalization) -> None:
        # It rounds by itself: the product of 32 bits, not its factors.
        super().__init__(name=f'{convolution.name}_folded', dtype='float32', autocast=False)
        self._convolution = convolution
        self._normalization = normalization
        self.built = True

    def call(self, features: Tensor) -> Tensor:
        """
        Compute what the normalization gives.

        :param features: (B, H, W, C)
        :return: (B, H', W', C')
        """
        convolution, norm = self._convolution, self._normalization
        features = tf.cast(features, convolution.compute_dtype)
        factor = norm.gamma.value * tf.math.rsqrt(norm.moving_variance.value + norm.epsilon)
        bias = norm.beta.value - norm.moving_mean.value * factor
        kernel, padding = convolution.kernel.value, convolution.padding.upper()
        if isinstance(convolution, layers.DepthwiseConv2D):
            kernel = tf.cast(kernel * factor[:, None], features.dtype)
            strides = (1, *convolution.strides, 1)
            return _add_bias(_convolve_channels(features, kernel, strides, padding), bias)
        kernel = tf.cast(kernel * factor, features.dtype)
        if convolution.kernel_size == convolution.strides == (1, 1):
            return _add_bias(_convolve_points(features, kernel), bias)
        return _add_bias(tf.nn.conv2d(features, kernel, convolution.strides, padding), bias)

    def compute_output_spec(self, features: Any) -> Any:
        """
        Tell the shape of the outputs.

        :param features: symbolic
        :return: symbolic
        """
        return self._convolution.compute_output_spec(features)


def _convolve_channels(
    features: Tensor, kernel: Tensor, strides: tuple[int, int, int, int], padding: str
) -> Tensor:
    """
    Convolve each channel by itself.

    TensorFlow's gradient of the features takes ten times as long in bfloat16 as in float32 on CPUs
    where the strides are not 1.
    """

    @tf.custom_gradient
    def convolve(features: Tensor, kernel: Tensor) -> Any:
        def differentiate(upstream: Tensor) -> tuple[Tensor, Tensor]:
            of_features = tf.nn.depthwise_conv2d_backprop_input(
                tf.shape(features),
                tf.cast(kernel, tf.float32),
                tf.cast(upstream, tf.float32),
                strides,
                padding,
            )
            of_kernel = tf.nn.depthwise_conv2d_backprop_filter(
                features, kernel.shape, upstream, strides, padding
            )
            return tf.cast(of_features, features.dtype), of_kernel

        return tf.nn.depthwise_conv2d(features, kernel, strides, padding), differentiate

    if features.dtype == tf.bfloat16 and strides != (1, 1, 1, 1):
        return convolve(features, kernel)
    return tf.nn.depthwise_conv2d(features, kernel, strides, padding)


@tf.custom_gradient
def _convolve_points(features: Tensor, kernel: Tensor) -> Any:
    """
    Convolve with 1x1 kernels, whose gradients are products of matrices.

    TensorFlow's own gradient of the kernel takes 1.3 times as long on CPUs, and together with that
    of a bias, as oneDNN fuses them, up to five times.
    """
    num_inputs, num_outputs = kernel.shape[2:]

    def differentiate(upstream: Tensor) -> tuple[Tensor, Tensor]:
        rows = tf.reshape(upstream, (-1, num_outputs))
        matrix = tf.reshape(kernel, (num_inputs, num_outputs))
        of_features = tf.matmul(rows, matrix, transpose_b=True)
        of_kernel = tf.matmul(tf.reshape(features, (-1, num_inputs)), rows, transpose_a=True)
        return tf.reshape(of_features, tf.shape(features)), tf.reshape(of_kernel, kernel.shape)

    return tf.nn.conv2d(features, kernel, 1, 'VALID'), differentiate


@tf.custom_gradient
def _add_bias(features: Tensor, bias: Tensor) -> Any:
    """
    Add a float32 bias, whose gradient is a product: fused with others as BiasAddGrad it is slow.

    It is a sum over all pixels of a batch, for which 16 bits are too few.
    """

    def differentiate(upstream: Tensor) -> tuple[Tensor, Tensor]:
        rows = tf.cast(tf.reshape(upstream, (-1, bias.shape[0])), bias.dtype)
        ones = tf.ones((1, tf.shape(rows)[0]), bias.dtype)
        return upstream, tf.reshape(tf.matmul(ones, rows), bias.shape)

    return tf.nn.bias_add(features, tf.cast(bias, features.dtype)), differentiate
