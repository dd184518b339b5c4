"""The learning rate, with lengths in steps and in epochs."""

import numpy as np
import pytest

from ssd_detector.errors import ConfigError
from ssd_training.experiments.training_schema import (
    MultistepSettings,
    SchedulerSettings,
    StepSettings,
    WarmupSettings,
)
from ssd_training.training.step.schedule import build_schedule

IN_STEPS = WarmupSettings(start_factor=0.1, steps=10)
NONE = WarmupSettings(start_factor=1.0, steps=0)


def rates_of(steps, *, name='cosine_warmup', warmup=IN_STEPS, min_lr=0.0001, **lengths):
    """Ten epochs of ten steps."""
    settings = SchedulerSettings(name, 0.01, min_lr, warmup, **lengths)
    schedule = build_schedule(settings, steps_per_epoch=10, epochs=10)
    return np.array([float(schedule(step)) for step in steps])


def test_the_rate_starts_above_zero_peaks_after_warmup_and_ends_at_min_lr():
    rates = rates_of(range(100))

    assert rates[0] == pytest.approx(0.001)
    assert rates[10] == rates.max() == pytest.approx(0.01)
    assert rates[99] == pytest.approx(0.0001)


def test_the_rate_rises_and_then_falls_all_the_way():
    rates = rates_of(range(100))

    assert np.all(np.diff(rates[:11]) > 0)
    assert np.all(np.diff(rates[10:]) < 0)
    # Half way down the cosine: step 10 + 89 / 2.
    assert rates[54] == pytest.approx((0.01 + 0.0001) / 2, rel=0.02)


def test_a_warmup_of_one_epoch_is_one_of_its_steps():
    in_epochs = WarmupSettings(start_factor=0.1, epochs=1.0)

    np.testing.assert_array_equal(rates_of(range(100), warmup=in_epochs), rates_of(range(100)))


def test_a_cosine_of_given_length_stays_at_min_lr_after_its_end():
    rates = rates_of(range(100), total_steps=50)

    assert rates[48] > rates[49] == pytest.approx(0.0001)
    np.testing.assert_array_equal(rates[49:], rates[49])


@pytest.mark.parametrize('length', [{'drop_every_epochs': 3.0}, {'drop_every_steps': 30}])
def test_the_rate_falls_every_three_epochs_in_epochs_and_in_steps(length):
    section = StepSettings(gamma=0.1, **length)

    rates = rates_of([0, 29, 30, 59, 60, 99], name='step', step=section, warmup=NONE, min_lr=0)

    np.testing.assert_allclose(rates, [1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-5], rtol=1e-5)


@pytest.mark.parametrize(
    'milestones', [{'milestones_epochs': (3.0, 4.5)}, {'milestones_steps': (30, 45)}]
)
def test_the_rate_falls_at_milestones_in_epochs_and_in_steps(milestones):
    section = MultistepSettings(gamma=0.5, **milestones)

    rates = rates_of([3, 4, 29, 30, 44, 45, 99], name='multistep', multistep=section, warmup=NONE)

    np.testing.assert_allclose(rates, np.array([4, 4, 4, 2, 2, 1, 1]) * 0.0025, rtol=1e-5)


def test_a_constant_rate_is_constant_after_its_warmup():
    rates = rates_of(range(100), name='constant')

    assert rates[0] == pytest.approx(0.001)
    np.testing.assert_allclose(rates[10:], 0.01)


def test_the_rate_never_falls_below_min_lr():
    section = StepSettings(gamma=0.1, drop_every_steps=10)

    assert rates_of([99], name='step', step=section, min_lr=0.005) == pytest.approx(0.005)


def test_a_warmup_as_long_as_the_training_is_an_error():
    with pytest.raises(ConfigError, match='warmup.steps: 100 is not below the 100 steps'):
        rates_of([0], warmup=WarmupSettings(start_factor=0.1, epochs=10.0))
