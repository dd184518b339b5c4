"""Schedule, optimizer, moving average."""

import dataclasses

import keras
import numpy as np
import pytest

from ssd_detector.errors import ConfigError
from ssd_training.engine.optimizer import build_optimizer
from ssd_training.engine.schedule import CosineWithWarmup
from ssd_training.engine.weight_average import WeightAverage
from ssd_training.experiments.training_schema import (
    OptimizerSettings,
    SchedulerSettings,
    WarmupSettings,
)

SCHEDULER = SchedulerSettings(
    name='cosine_warmup',
    base_lr=0.01,
    min_lr=0.0001,
    warmup=WarmupSettings(steps=10, start_factor=0.1),
)
ADAMW = OptimizerSettings(
    name='adamw', weight_decay=0.5, grad_clip_norm=1e9, betas=(0.9, 0.999), epsilon=1e-8
)
SGD = OptimizerSettings(
    name='sgd', weight_decay=0.5, grad_clip_norm=1e9, momentum=0.9, nesterov=True
)


@pytest.fixture
def model():
    """Hold one of each kind of variable."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 2)),
            keras.layers.DepthwiseConv2D(3, use_bias=False, name='depthwise'),
            keras.layers.BatchNormalization(name='norm'),
            keras.layers.Conv2D(3, 1, name='conv'),
        ]
    )
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    return model


def learning_rates(steps):
    schedule = CosineWithWarmup(SCHEDULER, 100)
    return [float(schedule(step)) for step in steps]


def test_the_rate_starts_above_zero_peaks_after_warmup_and_ends_at_min_lr():
    rates = learning_rates(range(100))

    assert rates[0] == pytest.approx(0.001)
    assert rates[10] == max(rates) == pytest.approx(0.01)
    assert rates[99] == pytest.approx(0.0001)


def test_the_rate_rises_and_then_falls_all_the_way():
    rates = np.array(learning_rates(range(100)))

    assert np.all(np.diff(rates[:11]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    # Half way down the cosine: step 10 + 89 / 2.
    assert learning_rates([54])[0] == pytest.approx((0.01 + 0.0001) / 2, rel=0.02)


def test_a_warmup_as_long_as_the_training_is_an_error():
    with pytest.raises(ConfigError, match='warmup.steps: 10 is not below the 10 steps'):
        CosineWithWarmup(SCHEDULER, 10)


@pytest.mark.parametrize('settings', [ADAMW, SGD], ids=['adamw', 'sgd'])
def test_weight_decay_leaves_batch_norm_biases_and_depthwise_kernels_alone(model, settings):
    optimizer = build_optimizer(settings, 0.1, model)
    variables = model.trainable_variables

    optimizer.apply([np.zeros(variable.shape, np.float32) for variable in variables], variables)

    for variable in variables:
        decays = variable is model.get_layer('conv').kernel
        np.testing.assert_allclose(variable, 0.95 if decays else 1.0, err_msg=variable.path)


def test_the_norm_of_all_gradients_together_is_clipped(model):
    settings = dataclasses.replace(SGD, weight_decay=0.0, momentum=0.0, grad_clip_norm=0.25)
    optimizer = build_optimizer(settings, 1.0, model)
    variables = model.trainable_variables
    before = [variable.numpy() for variable in variables]

    optimizer.apply([np.ones(variable.shape, np.float32) for variable in variables], variables)

    steps = [np.ravel(was - now) for was, now in zip(before, variables, strict=True)]
    assert np.linalg.norm(np.concatenate(steps)) == pytest.approx(0.25, rel=1e-4)


def test_the_average_follows_the_weights_and_batch_norm_statistics(model):
    average = WeightAverage(model, 0.5)
    expected = {variable.path: variable.numpy() for variable in model.weights}
    for update in range(3):
        decay = min(0.5, (1 + update) / (10 + update))
        for variable in model.weights:
            variable.assign(variable + update + 1.0)
            expected[variable.path] = decay * expected[variable.path] + (1 - decay) * variable
        average.update()
    own = [variable.numpy() for variable in model.weights]

    with average.applied():
        for variable in model.weights:
            np.testing.assert_allclose(variable, expected[variable.path], rtol=1e-5)

    for variable, value in zip(model.weights, own, strict=True):
        np.testing.assert_array_equal(variable, value)
