"""The learning rate: a linear rise, then what the experiment says."""

from collections.abc import Callable
import math
from typing import Any

from keras import ops

from ssd_detector.errors import ConfigError
from ssd_training.experiments.training_schema import SchedulerSettings

Tensor = Any
# Step, from 0 -> rate, both also as tensors.
Schedule = Callable[[Any], Tensor]


def build_schedule(settings: SchedulerSettings, *, steps_per_epoch: int, epochs: int) -> Schedule:
    """
    Turn the settings into a function of the step; all lengths become steps here.

    :param settings: the section `scheduler`
    :param steps_per_epoch: batches
    :param epochs: of the whole training
    :return: step -> rate; the last step of a cosine has min_lr
    :raises ConfigError: when the rise is as long as the training
    """
    num_steps = steps_per_epoch * epochs
    warmup_steps = _in_steps(settings.warmup.steps, settings.warmup.epochs, steps_per_epoch)
    length = settings.total_steps or num_steps
    if warmup_steps >= min(length, num_steps):
        raise ConfigError(
            [
                f'scheduler.warmup.steps: {warmup_steps} is not below the '
                f'{min(length, num_steps)} steps of this training; lower it'
            ]
        )
    if settings.name == 'cosine_warmup':
        fall = _cosine(settings, warmup_steps, last_step=length - 1)
    else:
        fall = _falls(settings, *_milestones(settings, steps_per_epoch, num_steps))

    def schedule(step: Any) -> Tensor:
        step = ops.cast(step, 'float32')
        start = settings.warmup.start_factor
        rise = settings.base_lr * (start + (1.0 - start) * step / max(warmup_steps, 1))
        return ops.where(step < warmup_steps, rise, fall(step))

    return schedule


def _cosine(settings: SchedulerSettings, warmup_steps: int, *, last_step: int) -> Schedule:
    length = max(last_step - warmup_steps, 1)

    def rate(step: Tensor) -> Tensor:
        progress = ops.clip((step - warmup_steps) / length, 0.0, 1.0)
        height = 0.5 * (1.0 + ops.cos(progress * math.pi))
        return settings.min_lr + (settings.base_lr - settings.min_lr) * height

    return rate


def _falls(settings: SchedulerSettings, milestones: list[int], gamma: float) -> Schedule:
    """Multiply the rate by gamma at each milestone."""

    def rate(step: Tensor) -> Tensor:
        num_falls = sum((ops.cast(step >= at, 'float32') for at in milestones), 0.0)
        return ops.maximum(settings.base_lr * gamma**num_falls, settings.min_lr)

    return rate


def _milestones(
    settings: SchedulerSettings, steps_per_epoch: int, num_steps: int
) -> tuple[list[int], float]:
    """List the steps at which the rate falls, and by which factor."""
    if (every := settings.step) is not None:
        period = _in_steps(every.drop_every_steps, every.drop_every_epochs, steps_per_epoch)
        return list(range(max(period, 1), num_steps, max(period, 1))), every.gamma
    if (chosen := settings.multistep) is not None:
        epochs = chosen.milestones_epochs or ()
        in_epochs = [_in_steps(None, epoch, steps_per_epoch) for epoch in epochs]
        return [*(chosen.milestones_steps or ()), *in_epochs], chosen.gamma
    return [], 1.0


def _in_steps(steps: int | None, epochs: float | None, steps_per_epoch: int) -> int:
    if steps is not None:
        return steps
    assert epochs is not None, 'the schema wants one of both'
    return round(epochs * steps_per_epoch)
