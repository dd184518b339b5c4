"""Random weights that nothing but a seed decides."""

import zlib

import keras
from keras import layers


def draw_weights(model: keras.Model, seed: int) -> None:
    """
    Draw a new network's convolutions once more, by a seed and the names of the layers.

    Keras takes a layer's seed from the random numbers that all of Python shares. A thread that
    uses them meanwhile, for the pause before another attempt at a store, gives other weights.

    :param model: from build_ssd
    :param seed: of the training
    """
    for layer in model.layers:
        if isinstance(layer, layers.DepthwiseConv2D):
            initializer = layer.depthwise_initializer
        elif isinstance(layer, layers.Conv2D):
            initializer = layer.kernel_initializer
        else:
            continue
        own_seed = zlib.crc32(f'{seed} {layer.name}'.encode())
        draw = type(initializer).from_config({**initializer.get_config(), 'seed': own_seed})
        layer.kernel.assign(draw(layer.kernel.shape))
