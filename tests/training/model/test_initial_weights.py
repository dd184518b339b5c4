"""Random weights: by the seed alone, spread as the layers want them."""

import random

from keras import layers
import numpy as np
import pytest

from ssd_training.model.initial_weights import draw_weights
from ssd_training.training.step.building import build_float_model


@pytest.fixture(scope='module')
def network(tiny_config):
    return build_float_model(tiny_config.architecture)


def drawn(network, seed, state=0):
    random.seed(state)
    draw_weights(network, seed)
    return {
        layer.name: np.array(layer.kernel)
        for layer in network.layers
        if isinstance(layer, layers.Conv2D | layers.DepthwiseConv2D)
    }


def test_the_seed_alone_decides(network):
    first = drawn(network, seed=3)

    again = drawn(network, seed=3, state=1)
    other = drawn(network, seed=4)

    assert len(first) > 20
    for name, kernel in first.items():
        np.testing.assert_array_equal(again[name], kernel, err_msg=name)
        assert np.any(other[name] != kernel), name


def test_layers_of_one_shape_differ(network):
    by_shape = {}
    for name, kernel in drawn(network, seed=3).items():
        for brother in by_shape.setdefault(kernel.shape, []):
            assert np.any(brother != kernel), name
        by_shape[kernel.shape].append(kernel)


def test_each_layer_is_spread_as_keras_spreads_it(network):
    kernels = drawn(network, seed=3)

    for layer in network.layers:
        if layer.name not in kernels:
            continue
        kernel = kernels[layer.name]
        stored = getattr(layer, 'depthwise_initializer', None) or layer.kernel_initializer
        expected = np.array(type(stored).from_config(stored.get_config())(kernel.shape))
        # A standard deviation from n values is uncertain by 1 / sqrt(2 n); five of these.
        tolerance = 5 / np.sqrt(kernel.size)
        assert abs(kernel.std() / expected.std() - 1) < tolerance, layer.name
        assert abs(kernel.mean()) < 5 * expected.std() / np.sqrt(kernel.size), layer.name


def test_nothing_but_convolutions_changes(network):
    before = {
        weight.path: np.array(weight) for weight in network.weights if 'kernel' not in weight.path
    }
    assert before

    draw_weights(network, seed=8)

    for weight in network.weights:
        if weight.path in before:
            np.testing.assert_array_equal(weight, before[weight.path], err_msg=weight.path)
