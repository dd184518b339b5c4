"""
SGD and AdamW: from gradients to the new values of the weights, without a side effect.

Keras' own optimizers can not scale the rate of single weights, clip and accumulate the gradients
of all replicas, or leave out a step whose gradients overflowed on several replicas.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops
import numpy as np

from ssd_training.experiments.training_schema import OptimizerSettings
from ssd_training.model.ssd import is_of_backbone
from ssd_training.training.step.assignment import Updates

Tensor = Any
_SLOTS = {'sgd': ('momentum',), 'adamw': ('first_moment', 'second_moment')}


class Optimizer:
    """
    Computes new weights for the variables of a model that train.

    Weight decay is for kernels: BatchNorm and biases are left out, and so are depthwise kernels
    (MobileNets, arXiv:1704.04861, section 3: they hold few weights, decay hurts them).

    :param settings: the section `optimizer`
    :param model: whose layers are frozen that never train
    :param backbone_factor: of the learning rate, for the backbone's weights
    """

    def __init__(
        self, settings: OptimizerSettings, model: keras.Model, *, backbone_factor: float = 1.0
    ) -> None:
        self._settings = settings
        self.variables: list[keras.Variable] = list(model.trainable_variables)
        # One for each weight: those that begin to train later have moments of their own age.
        self._num_updates = keras.Variable(
            ops.zeros(len(self.variables), 'int64'), trainable=False, name='num_updates'
        )
        self._slots = {
            name: [_zeros_like(variable, name) for variable in self.variables]
            for name in _SLOTS[settings.name]
        }
        decayed, of_backbone = _decayed_ids(model), _backbone_ids(model)
        self._decays = [
            settings.weight_decay if id(variable) in decayed else 0.0
            for variable in self.variables
        ]
        self._factors = [
            backbone_factor if id(variable) in of_backbone else 1.0 for variable in self.variables
        ]

    @property
    def state(self) -> dict[str, keras.Variable]:
        """Everything to be saved beside the weights."""
        slots = {
            f'{name}/{weight.path}': slot
            for name, own in self._slots.items()
            for weight, slot in zip(self.variables, own, strict=True)
        }
        return {'num_updates': self._num_updates, **slots}

    def updates(self, gradients: Sequence[Tensor | None], learning_rate: Tensor) -> Updates:
        """
        Compute one step.

        :param gradients: float32, one for each of the variables, of the whole batch; None for a
            variable that does not train now, which stays as it is
        :param learning_rate: float32 scalar
        :return: weights first, in the order of the variables; then what else changes
        """
        clipped = self._clip(gradients)
        trains = np.array([gradient is not None for gradient in gradients])
        num_updates = self._num_updates + trains.astype(np.int64)
        rates = learning_rate * ops.convert_to_tensor(self._factors)
        kept = ops.unstack(1.0 - rates * ops.convert_to_tensor(self._decays))
        step_rates = ops.unstack(rates * self._correct(ops.cast(num_updates, 'float32')))
        weights: Updates = []
        others: Updates = [(self._num_updates, num_updates)]
        for index, (variable, gradient) in enumerate(zip(self.variables, clipped, strict=True)):
            if gradient is None:
                continue
            slots = [own[index] for own in self._slots.values()]
            step, new_slots = self._rule(gradient, slots, step_rates[index])
            weights.append((variable, variable * kept[index] - step))
            others += zip(slots, new_slots, strict=True)
        return weights + others

    def _clip(self, gradients: Sequence[Tensor | None]) -> list[Tensor | None]:
        limit = self._settings.grad_clip_norm
        if limit is None:
            return list(gradients)
        present = [gradient for gradient in gradients if gradient is not None]
        norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in present))
        factor = limit / ops.maximum(norm, limit)
        return [None if gradient is None else gradient * factor for gradient in gradients]

    def _correct(self, counts: Tensor) -> Tensor:
        """Give the factor of the rates that moments of few updates need."""
        if self._settings.betas is None:
            return ops.ones_like(counts)
        # Decoupled Weight Decay Regularization, arXiv:1711.05101, algorithm 2, lines 9 and 10.
        # A weight that has not trained yet has no rate: 1 keeps its division from 0 / 0.
        counts = ops.maximum(counts, 1.0)
        bias_1, bias_2 = (1.0 - beta**counts for beta in self._settings.betas)
        return ops.sqrt(bias_2) / bias_1

    def _rule(
        self, gradient: Tensor, slots: Sequence[keras.Variable], rate: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """Give what is taken off a weight, and the slots' new values."""
        settings = self._settings
        if settings.name == 'sgd':
            velocity = settings.momentum * slots[0] + rate * gradient
            step = settings.momentum * velocity + rate * gradient if settings.nesterov else None
            return (velocity if step is None else step), [velocity]
        assert settings.betas is not None, 'the schema gives adamw its betas'
        beta_1, beta_2 = settings.betas
        first = slots[0] + (gradient - slots[0]) * (1.0 - beta_1)
        second = slots[1] + (ops.square(gradient) - slots[1]) * (1.0 - beta_2)
        return rate * first / (ops.sqrt(second) + settings.epsilon), [first, second]


def _zeros_like(variable: keras.Variable, name: str) -> keras.Variable:
    return keras.Variable(ops.zeros(variable.shape), trainable=False, name=name)


def _decayed_ids(model: keras.Model) -> set[int]:
    convolutions = (layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    return {id(layer.kernel) for layer in convolutions}


def _backbone_ids(model: keras.Model) -> set[int]:
    layers = (layer for layer in model.layers if is_of_backbone(layer.name))
    return {id(variable) for layer in layers for variable in layer.trainable_variables}
