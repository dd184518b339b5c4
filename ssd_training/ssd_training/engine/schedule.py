"""The learning rate: a linear rise, then a cosine that ends with the last step."""

import keras
from keras import ops

from ssd_detector.errors import ConfigError
from ssd_training.experiments.training_schema import SchedulerSettings


class CosineWithWarmup(keras.optimizers.schedules.LearningRateSchedule):
    """
    Rise from start_factor * base_lr to base_lr, then fall to min_lr at the last step.

    :param settings: the section `scheduler`
    :param total_steps: of the whole training
    :raises ConfigError: when the rise is as long as the training
    """

    def __init__(self, settings: SchedulerSettings, total_steps: int) -> None:
        warmup_steps = settings.warmup.steps
        if warmup_steps >= total_steps:
            raise ConfigError(
                [
                    f'scheduler.warmup.steps: {warmup_steps} is not below the {total_steps} steps '
                    f'of this training; lower it'
                ]
            )
        self._settings = settings
        self._warmup_steps = warmup_steps
        self._last_step = total_steps - 1

    def __call__(self, step):  # type: ignore[no-untyped-def]  # noqa: D102 (Keras' signature)
        settings = self._settings
        step = ops.cast(step, 'float32')
        start = settings.warmup.start_factor
        rise = start + (1.0 - start) * step / max(self._warmup_steps, 1)
        length = max(self._last_step - self._warmup_steps, 1)
        progress = ops.clip((step - self._warmup_steps) / length, 0.0, 1.0)
        fall = settings.min_lr + (settings.base_lr - settings.min_lr) * 0.5 * (
            1.0 + ops.cos(progress * 3.141592653589793)
        )
        return ops.where(step < self._warmup_steps, rise * settings.base_lr, fall)

    def get_config(self) -> dict[str, object]:
        """
        Describe the schedule, as Keras wants it.

        :return: the constructor's arguments
        """
        return {'settings': self._settings, 'total_steps': self._last_step + 1}
