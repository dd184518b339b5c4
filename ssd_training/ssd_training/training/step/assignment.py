"""Assigning many variables at once, on every replica alike."""

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

Tensor = Any
# Variables with the values that they are to have.
Updates = list[tuple[keras.Variable, Tensor]]


def assign_all(updates: Updates) -> None:
    """
    Assign; runs inside the compiled step, in the context of a replica, on any strategy.

    The replicas must have computed the same values: each of them keeps its own.

    :param updates: what to assign
    """

    def assign(strategy: tf.distribute.Strategy, values: Sequence[Tensor]) -> None:
        for (variable, _), value in zip(updates, values, strict=True):
            strategy.extended.update(variable.value, _set, args=(value,), group=False)

    # One call for all: with several replicas each merge_call waits for all of them.
    tf.distribute.get_replica_context().merge_call(assign, args=([new for _, new in updates],))


def select(is_taken: Tensor | bool, updates: Updates) -> Updates:
    """
    Keep the present values unless a condition holds.

    A branch would not do: merge_call must not stand in one.

    :param is_taken: bool scalar; a Python value costs nothing
    :param updates: what to assign if it holds
    :return: what to assign
    """
    if is_taken is True:
        return updates
    return [(variable, tf.where(is_taken, new, variable)) for variable, new in updates]


def _set(variable: tf.Variable, value: Tensor) -> None:
    variable.assign(value)
