"""Loss scaling: keeps small gradients above the least number of float16."""

from collections.abc import Sequence
from typing import Any, Literal

import keras
from keras import ops

from ssd_training.training.step.assignment import Updates

Tensor = Any

_FIRST_SCALE = 2.0**15
_GROWTH_STEPS = 2000


class LossScale:
    """
    The factor of the loss (Mixed Precision Training, arXiv:1710.03740, section 3.2).

    A dynamic one halves whenever a gradient overflows, whose step is left out then, and doubles
    after 2,000 good steps.

    :param setting: dynamic or a number
    """

    def __init__(self, setting: Literal['dynamic'] | float) -> None:
        self._is_dynamic = setting == 'dynamic'
        first = _FIRST_SCALE if setting == 'dynamic' else setting
        self.scale = keras.Variable(first, trainable=False, dtype='float32', name='scale')
        self._good_steps = keras.Variable(0, trainable=False, dtype='int64', name='good_steps')

    @property
    def state(self) -> dict[str, keras.Variable]:
        """Everything to be saved."""
        return {'scale': self.scale, 'good_steps': self._good_steps}

    def updates(self, is_finite: Tensor) -> Updates:
        """
        Compute the next scale.

        :param is_finite: whether this step's gradients were
        :return: what changes; nothing for a fixed scale
        """
        if not self._is_dynamic:
            return []
        good_steps = ops.where(is_finite, self._good_steps + 1, 0)
        grows = good_steps >= _GROWTH_STEPS
        shrunk = ops.maximum(self.scale * 0.5, 1.0)
        scale = ops.where(is_finite, ops.where(grows, self.scale * 2.0, self.scale), shrunk)
        return [(self.scale, scale), (self._good_steps, ops.where(grows, 0, good_steps))]


def all_finite(gradients: Sequence[Tensor]) -> Tensor:
    """
    Tell whether no gradient overflowed.

    :param gradients: any shapes
    :return: bool scalar
    """
    return ops.all(ops.stack([ops.all(ops.isfinite(gradient)) for gradient in gradients]))
