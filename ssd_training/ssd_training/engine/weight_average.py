"""Exponential moving average of weights, BatchNorm statistics included."""

from collections.abc import Iterator
from contextlib import contextmanager

import keras
from keras import ops


class WeightAverage:
    """
    Keeps the average beside a model.

    The first updates count more: after n updates the decay is at most (1 + n) / (10 + n), so that
    a short training is not an average of its start.

    :param model: whose weights are averaged
    :param decay: of one update, in [0, 1)
    """

    def __init__(self, model: keras.Model, decay: float) -> None:
        self._weights = list(model.weights)
        # A copy: given a backend variable, keras.Variable keeps that very one.
        self._averages = [
            keras.Variable(weight.numpy(), trainable=False, dtype=weight.dtype, name='average')
            for weight in self._weights
        ]
        self._num_updates = keras.Variable(0.0, trainable=False, name='num_updates')
        self._decay = decay

    def update(self) -> None:
        """Take in the present weights; runs inside the compiled step."""
        decay = ops.minimum(self._decay, (1.0 + self._num_updates) / (10.0 + self._num_updates))
        for weight, average in zip(self._weights, self._averages, strict=True):
            average.assign_add((weight - average) * (1.0 - decay))
        self._num_updates.assign_add(1.0)

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
