"""The mean of networks: of what they compute, not of how they keep it."""

import numpy as np
import pytest

from ssd_training.model.averaging import fold, mean_of
from ssd_training.model.pretrained import fill, Pretrained
from ssd_training.training.step.building import build_float_model


@pytest.fixture(scope='module')
def networks(tiny_config):
    """Build a network with statistics of its own, and one that computes the same otherwise."""
    rng = np.random.default_rng(3)
    network, twin = (
        build_float_model(tiny_config.architecture),
        build_float_model(tiny_config.architecture),
    )
    for weight in network.weights:
        if weight.name in ('gamma', 'moving_variance'):
            weight.assign(rng.uniform(0.5, 2, weight.shape))
        elif weight.name in ('beta', 'bias', 'moving_mean'):
            weight.assign(rng.normal(0, 0.1, weight.shape))
    labels = tiny_config.data.labels
    fill(twin, Pretrained('folded', fold(network), labels, is_whole=True), labels)
    return network, twin


def outputs(network):
    image = np.random.default_rng(1).random((1, 96, 96, 3), np.float32)
    return [np.asarray(output) for output in network(image, training=False)]


def test_folding_changes_the_variables_and_not_the_outputs(networks):
    network, twin = networks
    norm = next(weight for weight in network.weights if weight.name == 'gamma')
    counterpart = next(weight for weight in twin.weights if weight.path == norm.path)
    assert np.abs(norm - counterpart).max() > 0.1
    # float32 rounds differently by some units in the last place a layer.
    for received, expected in zip(outputs(twin), outputs(network), strict=True):
        np.testing.assert_allclose(
            received, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max()
        )


def test_the_mean_of_two_ways_to_keep_one_network_is_this_network(networks, tiny_config):
    network, twin = networks
    values = mean_of([fold(network), fold(twin)], [1, 3])
    labels = tiny_config.data.labels
    mean = build_float_model(tiny_config.architecture)
    fill(mean, Pretrained('mean', values, labels, is_whole=True), labels)
    for received, expected in zip(outputs(mean), outputs(network), strict=True):
        np.testing.assert_allclose(
            received, expected, rtol=1e-3, atol=1e-3 * np.abs(expected).max()
        )


def test_shares_say_how_much_each_counts():
    one, other = {'layer': [np.float32([[2]])]}, {'layer': [np.float32([[10]])]}
    assert mean_of([one, other], [3, 1])['layer'][0] == 4
    assert mean_of([one], [0.2])['layer'][0] == 2
