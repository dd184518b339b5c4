"""The network with BatchNorm in its convolutions computes, and learns, what the network does."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssd_training.model.folded_ssd import fold_statistics, FoldedConvolution
from ssd_training.model.initial_weights import draw_weights
from ssd_training.model.ssd import at_size
from ssd_training.training.step.building import build_float_model

SMALL = (
    *('input_size=[96, 96]', 'priors.laid_out_at_px=null'),
    *('backbone.width_mult=0.35', 'backbone.weights=null'),
)


@pytest.fixture(scope='module', params=['exp001_baseline', 'exp002_ssdlite'])
def config(request, load):
    return load(request.param, *SMALL, 'backbone.freeze_until=block_1')


def model_with_statistics(config, layer_policy):
    """Build a network whose BatchNorms do something, on images that are no constant."""
    model = build_float_model(config.architecture, layer_policy=layer_policy)
    draw_weights(model, 0)
    rng = np.random.default_rng(3)
    for weight in model.weights:
        if weight.path.endswith(('gamma', 'variance')):
            weight.assign(rng.uniform(0.5, 1.5, weight.shape))
        elif weight.path.endswith(('beta', 'mean')):
            weight.assign(rng.uniform(-0.5, 0.5, weight.shape))
    return model


def images_of(size_px):
    return np.random.default_rng(4).uniform(size=(2, size_px, size_px, 3)).astype(np.float32)


def learn(network, variables, images):
    with tf.GradientTape() as tape:
        offsets, logits = network(images, training=False)
        loss = tf.reduce_mean(offsets**2) + tf.reduce_mean(logits**2)
    gradients = tape.gradient(loss, [variable.value for variable in variables])
    return {
        'offsets': offsets.numpy(),
        'logits': logits.numpy(),
        **{own.path: grad.numpy() for own, grad in zip(variables, gradients, strict=True)},
    }


def relative_errors(actual, expected):
    """Compare by norms: single numbers may cancel to nothing."""
    return {
        name: np.linalg.norm(actual[name] - value) / np.linalg.norm(value)
        for name, value in expected.items()
    }


@pytest.mark.parametrize('size_px', [96, 75])
def test_outputs_and_gradients_are_those_of_the_network(config, size_px):
    model = model_with_statistics(config, 'float64')
    network = model if size_px == 96 else at_size(model, size_px)
    images, trained = images_of(size_px), model.trainable_variables

    expected = learn(network, trained, images)
    actual = learn(fold_statistics(network), trained, images)

    # The heads' rows are joined in float32.
    errors = relative_errors(actual, expected)
    assert max(errors.values()) < 1e-5, max(errors, key=errors.get)
    assert len(expected) == len(trained) + 2 > 100


def test_every_batch_norm_is_part_of_a_convolution(config):
    folded = fold_statistics(model_with_statistics(config, 'float32'))

    kinds = [type(layer) for layer in folded.layers]
    assert keras.layers.BatchNormalization not in kinds
    assert kinds.count(FoldedConvolution) > 40


@pytest.mark.parametrize('layer_policy', ['mixed_float16', 'mixed_bfloat16'])
def test_in_16_bits_it_is_no_further_from_the_truth_than_the_network(config, layer_policy):
    exact = model_with_statistics(config, 'float32')
    mixed = model_with_statistics(config, layer_policy)
    mixed.set_weights(exact.get_weights())
    images = images_of(96)

    truth = [output.numpy() for output in exact(images, training=False)]
    plain = [output.numpy() for output in mixed(images, training=False)]
    folded = [output.numpy() for output in fold_statistics(mixed)(images, training=False)]

    for expected, one, other in zip(truth, plain, folded, strict=True):
        assert other.dtype == np.float32
        # Both round at random; folding rounds once less.
        assert np.linalg.norm(other - expected) < 1.5 * np.linalg.norm(one - expected)


@pytest.mark.parametrize('layer_policy', ['mixed_float16', 'mixed_bfloat16', 'float32'])
@pytest.mark.parametrize('padding', ['valid', 'same'])
@pytest.mark.parametrize('size_px', [8, 9])
def test_gradients_of_a_strided_depthwise_convolution_are_exact_but_for_the_last_rounding(
    layer_policy, padding, size_px
):
    rng = np.random.default_rng(5)
    # What every policy holds exactly.
    features = tf.constant(rng.integers(-9, 9, (1, size_px, size_px, 4)), tf.float32)
    kernel = rng.integers(-99, 99, (3, 3, 4, 1)) / 64
    upstream = rng.integers(-3, 3, (1, 5, 5, 4))

    def differentiate(policy):
        convolution = keras.layers.DepthwiseConv2D(
            3, strides=2, padding=padding, use_bias=False, dtype=policy
        )
        norm = keras.layers.BatchNormalization(epsilon=0.0, dtype=policy)
        norm(convolution(features))
        convolution.kernel.assign(kernel)
        with tf.GradientTape() as tape:
            tape.watch(features)
            outputs = tf.cast(FoldedConvolution(convolution, norm)(features), tf.float64)
            loss = tf.reduce_sum(outputs * upstream[:, : outputs.shape[1], : outputs.shape[2]])
        return tape.gradient(loss, [features, convolution.kernel.value])

    expected, actual = differentiate('float64'), differentiate(layer_policy)
    for one, other in zip(expected, actual, strict=True):
        assert np.abs(one).max() > 1.0
        np.testing.assert_allclose(other, one, rtol=2.0**-8, atol=1e-6)


def test_in_bfloat16_strided_depthwise_gradients_are_computed_in_float32(config):
    """In 16 bits they take ten times as long on CPUs."""
    network = fold_statistics(model_with_statistics(config, 'mixed_bfloat16'))

    @tf.function(autograph=False)
    def differentiate(images):
        with tf.GradientTape() as tape:
            tape.watch(images)
            outputs = network(images, training=False)
            loss = tf.reduce_sum(outputs[0]) + tf.reduce_sum(outputs[1])
        return tape.gradient(loss, images)

    graph = differentiate.get_concrete_function(tf.TensorSpec((2, 96, 96, 3))).graph
    operations = [
        one for one in graph.get_operations() if one.type == 'DepthwiseConv2dNativeBackpropInput'
    ]
    kinds = {(max(one.get_attr('strides')), one.get_attr('T')) for one in operations}
    assert kinds == {(2, tf.float32), (1, tf.bfloat16)}


def test_a_gradient_that_16_bits_do_not_hold_is_a_number(config):
    """A sum over all pixels of a batch: what Keras' BatchNorm adds up in 32 bits."""
    model = model_with_statistics(config, 'mixed_float16')
    layer = fold_statistics(model).get_layer('Conv1_folded')
    beta = model.get_layer('bn_Conv1').beta
    with tf.GradientTape() as tape:
        features = layer(tf.zeros((2, 193, 193, 3), tf.float16))
        loss = tf.reduce_sum(tf.cast(features, tf.float32)) * 8.0
    gradient = tape.gradient(loss, beta.value)

    assert gradient.dtype == tf.float32
    np.testing.assert_allclose(gradient, 8.0 * 2 * 97 * 97, rtol=1e-3)
    assert 8.0 * 2 * 97 * 97 > float(np.finfo(np.float16).max)
