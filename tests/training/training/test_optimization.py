"""Optimizer, loss scale, moving average."""

import dataclasses

import keras
import numpy as np
import pytest

from ssd_training.experiments.training_schema import EmaSettings, OptimizerSettings
from ssd_training.training.step.assignment import assign_all
from ssd_training.training.step.loss_scale import all_finite, LossScale
from ssd_training.training.step.optimizer import Optimizer
from ssd_training.training.step.weight_average import WeightAverage

ADAMW = OptimizerSettings(
    name='adamw', weight_decay=0.5, grad_clip_norm=None, betas=(0.9, 0.999), epsilon=1e-8
)
SGD = OptimizerSettings(
    name='sgd', weight_decay=0.5, grad_clip_norm=None, momentum=0.9, nesterov=True
)
EMA = EmaSettings(enabled=True, decay=0.5, warmup_steps=0, update_every=1, eval_use_ema=True)
both_optimizers = pytest.mark.parametrize('settings', [ADAMW, SGD], ids=['adamw', 'sgd'])


@pytest.fixture
def model():
    """Hold one of each kind of variable, and a head."""
    images = keras.Input((4, 4, 2))
    features = keras.layers.DepthwiseConv2D(3, use_bias=False, name='depthwise')(images)
    features = keras.layers.BatchNormalization(name='norm')(features)
    features = keras.layers.Conv2D(3, 1, name='conv')(features)
    model = keras.Model(images, keras.layers.Conv2D(3, 1, name='head_0_cls')(features))
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    return model


def apply(optimizer, gradients, rate):
    assign_all(optimizer.updates(gradients, rate))


def gradients_for(optimizer, seed):
    rng = np.random.default_rng(seed)
    return [rng.normal(size=own.shape).astype(np.float32) for own in optimizer.variables]


@both_optimizers
def test_weight_decay_leaves_batch_norm_biases_and_depthwise_kernels_alone(model, settings):
    optimizer = Optimizer(settings, model)

    apply(optimizer, [np.zeros(own.shape, np.float32) for own in optimizer.variables], 0.1)

    kernels = {id(model.get_layer(name).kernel) for name in ('conv', 'head_0_cls')}
    for variable in model.trainable_variables:
        decays = id(variable) in kernels
        np.testing.assert_allclose(variable, 0.95 if decays else 1.0, err_msg=variable.path)


@pytest.mark.parametrize('nesterov', [False, True])
def test_sgd_takes_the_steps_of_keras(model, nesterov):
    settings = dataclasses.replace(SGD, weight_decay=0.0, nesterov=nesterov)
    check_steps(model, settings, keras.optimizers.SGD(0.1, momentum=0.9, nesterov=nesterov))


def test_adamw_takes_the_steps_of_keras(model):
    settings = dataclasses.replace(ADAMW, weight_decay=0.0)
    check_steps(model, settings, keras.optimizers.AdamW(0.1, epsilon=1e-8, weight_decay=0.0))


def check_steps(model, settings, expected):
    optimizer = Optimizer(settings, model)
    twins = [keras.Variable(own.numpy()) for own in optimizer.variables]
    for step in range(4):
        gradients = gradients_for(optimizer, step)
        apply(optimizer, gradients, 0.1)
        expected.apply(gradients, twins)
    for own, twin in zip(optimizer.variables, twins, strict=True):
        np.testing.assert_allclose(own, twin, rtol=1e-5, atol=1e-6, err_msg=own.path)


@both_optimizers
def test_the_backbone_takes_steps_of_a_tenth_and_decays_by_a_tenth(model, settings):
    """Scaled gradients would leave AdamW's steps as they are."""
    optimizer = Optimizer(settings, model, backbone_factor=0.1)
    before = [own.numpy() for own in optimizer.variables]

    apply(optimizer, [np.full(own.shape, 0.5, np.float32) for own in optimizer.variables], 0.01)

    steps = {
        own.path: np.mean(was - own) for was, own in zip(before, optimizer.variables, strict=True)
    }
    assert steps['conv/kernel'] == pytest.approx(0.1 * steps['head_0_cls/kernel'], rel=1e-3)
    assert steps['conv/bias'] == pytest.approx(0.1 * steps['head_0_cls/bias'], rel=1e-3)


def test_the_norm_of_all_gradients_together_is_clipped(model):
    settings = dataclasses.replace(SGD, weight_decay=0.0, momentum=0.0, grad_clip_norm=0.25)
    optimizer = Optimizer(settings, model)
    before = [own.numpy() for own in optimizer.variables]

    apply(optimizer, [np.ones(own.shape, np.float32) for own in optimizer.variables], 1.0)

    steps = [np.ravel(was - own) for was, own in zip(before, optimizer.variables, strict=True)]
    assert np.linalg.norm(np.concatenate(steps)) == pytest.approx(0.25, rel=1e-4)


def test_gradients_below_the_limit_are_not_stretched(model):
    clipped = Optimizer(dataclasses.replace(SGD, grad_clip_norm=1e3), model)
    free = Optimizer(SGD, model)
    gradients = gradients_for(free, 0)

    for update, other in zip(
        clipped.updates(gradients, 0.1), free.updates(gradients, 0.1), strict=True
    ):
        np.testing.assert_array_equal(update[1], other[1])


def test_the_average_follows_the_weights_and_batch_norm_statistics(model):
    average = WeightAverage(model, EMA)
    expected = {variable.path: variable.numpy() for variable in model.weights}
    for update in range(3):
        decay = min(0.5, (1 + update) / (10 + update))
        for variable in model.weights:
            variable.assign(variable + update + 1.0)
            expected[variable.path] = decay * expected[variable.path] + (1 - decay) * variable
        assign_all(average.updates({}))
    own = [variable.numpy() for variable in model.weights]

    with average.applied():
        for variable in model.weights:
            np.testing.assert_allclose(variable, expected[variable.path], rtol=1e-5)

    assert any('moving_variance' in path for path in expected)
    for variable, value in zip(model.weights, own, strict=True):
        np.testing.assert_array_equal(variable, value)


def averages_of(model, settings, values):
    """Give the average of the first bias after each of its values."""
    bias = model.get_layer('conv').bias
    bias.assign(np.zeros(3))
    average = WeightAverage(model, settings)
    found = []
    for value in values:
        bias.assign(np.full(3, value))
        assign_all(average.updates({}))
        found.append(float(average.state['weights/conv/bias'].numpy()[0]))
    return found


def test_during_the_warmup_the_average_is_the_weight_itself(model):
    settings = dataclasses.replace(EMA, warmup_steps=2, decay=0.999)

    found = averages_of(model, settings, [1.0, 2.0, 3.0])

    # The first update that averages has a decay of 1 / 10.
    assert found == pytest.approx([1.0, 2.0, 0.1 * 2.0 + 0.9 * 3.0])


def test_the_average_changes_every_second_update_when_told_so(model):
    settings = dataclasses.replace(EMA, update_every=2, decay=0.1)

    found = averages_of(model, settings, [1.0, 2.0, 3.0, 4.0])

    assert found[0] == 0.0
    assert found[1] == found[2] == pytest.approx(1.8)
    assert found[3] == pytest.approx(0.18 + 3.6)


def test_the_loss_scale_halves_on_overflow_and_grows_after_2000_good_steps():
    scale = LossScale('dynamic')
    assert scale.scale.numpy() == 2**15

    assign_all(scale.updates(all_finite([np.ones(3), np.array([np.inf])])))
    assert scale.scale.numpy() == 2**14

    scale.state['good_steps'].assign(1999)
    assign_all(scale.updates(all_finite([np.ones(3)])))
    assert scale.scale.numpy() == 2**15
    assert scale.state['good_steps'].numpy() == 0


def test_a_fixed_loss_scale_stays():
    scale = LossScale(128.0)

    assert scale.updates(False) == []
    assert scale.scale.numpy() == 128
