"""Exponential moving average of weights, BatchNorm statistics included."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
from keras import ops

from ssd_training.experiments.training_schema import EmaSettings
from ssd_training.training.step.assignment import select, Updates

Tensor = Any


class WeightAverage:
    """
    Keeps the average beside a model.

    During the warm-up it is the weights themselves. The updates after it count more at first:
    after n of them the decay is at most (1 + n) / (10 + n), so that a short training is not an
    average of its start.

    :param model: whose weights are averaged
    :param settings: the section `train.ema`
    """

    def __init__(self, model: keras.Model, settings: EmaSettings) -> None:
        self._weights = list(model.weights)
        # A copy: given a backend variable, keras.Variable keeps that very one.
        self._averages = [
            keras.Variable(weight.numpy(), trainable=False, dtype=weight.dtype, name='average')
            for weight in self._weights
        ]
        self._num_updates = keras.Variable(0.0, trainable=False, name='num_updates')
        self._settings = settings

    @property
    def state(self) -> dict[str, keras.Variable]:
        """Everything to be saved."""
        averages = zip(self._weights, self._averages, strict=True)
        paths = {f'weights/{weight.path}': average for weight, average in averages}
        return {'num_updates': self._num_updates, **paths}

    def updates(self, new_weights: Mapping[int, Tensor]) -> Updates:
        """
        Compute the next average.

        :param new_weights: id of a variable -> its value after the step; the others' values are
            those that they have
        :return: what changes
        """
        settings = self._settings
        num_updates = self._num_updates
        since_warmup = ops.maximum(num_updates - settings.warmup_steps, 0.0)
        decay = ops.minimum(settings.decay, (1.0 + since_warmup) / (10.0 + since_warmup))
        decay = ops.where(num_updates < settings.warmup_steps, 0.0, decay)
        share = 1.0 - decay
        averages = []
        for weight, average in zip(self._weights, self._averages, strict=True):
            value = new_weights.get(id(weight), weight)
            averages.append((average, average + (value - average) * share))
        if settings.update_every > 1:
            is_due = ops.equal((num_updates + 1.0) % settings.update_every, 0.0)
            averages = select(is_due, averages)
        return [(num_updates, num_updates + 1.0), *averages]

    @contextmanager
    def applied(self) -> Iterator[None]:
        """
        Let the model have the averages while the block runs.

        :return: nothing
        """
        own = [weight.numpy() for weight in self._weights]
        for weight, average in zip(self._weights, self._averages, strict=True):
            weight.assign(average)
        try:
            yield
        finally:
            for weight, value in zip(self._weights, own, strict=True):
                weight.assign(value)
