"""
SGD and AdamW: from gradients to the new values of the weights, without a side effect.

Keras' own optimizers can not scale the rate of single weights, clip and accumulate the gradients
of all replicas, or leave out a step whose gradients overflowed on several replicas.
"""

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from ssd_training.engine.assignment import Updates
from ssd_training.experiments.training_schema import OptimizerSettings
from ssd_training.model.ssd import is_of_backbone

Tensor = Any
_SLOTS = {'sgd': ('momentum',), 'adamw': ('first_moment', 'second_moment')}


class Optimizer:
    """
    Computes new weights for the variables of a model that train.

    Weight decay is for kernels: BatchNorm and biases are left out, and so are depthwise kernels
    (MobileNets, arXiv:1704.04861, section 3: they hold few weights, decay hurts them).

    :param settings: the section `optimizer`
    :param model: with its layers frozen as they will train
    :param backbone_factor: of the learning rate, for the backbone's weights
    """

    def __init__(
        self, settings: OptimizerSettings, model: keras.Model, *, backbone_factor: float = 1.0
    ) -> None:
        self._settings = settings
        self.variables: list[keras.Variable] = list(model.trainable_variables)
        self._num_updates = keras.Variable(0, trainable=False, dtype='int64', name='num_updates')
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

    def updates(self, gradients: Sequence[Tensor], learning_rate: Tensor) -> Updates:
        """
        Compute one step.

        :param gradients: float32, one for each of the variables, of the whole batch
        :param learning_rate: float32 scalar
        :return: weights first, in the order of the variables; then what else changes
        """
        clipped = self._clip(gradients)
        count = ops.cast(self._num_updates + 1, 'float32')
        weights: Updates = []
        others: Updates = [(self._num_updates, self._num_updates + 1)]
        for index, (variable, gradient) in enumerate(zip(self.variables, clipped, strict=True)):
            rate = learning_rate * self._factors[index]
            slots = [own[index] for own in self._slots.values()]
            step, new_slots = self._rule(gradient, slots, rate, count)
            weights.append((variable, variable * (1.0 - rate * self._decays[index]) - step))
            others += zip(slots, new_slots, strict=True)
        return weights + others

    def _clip(self, gradients: Sequence[Tensor]) -> list[Tensor]:
        limit = self._settings.grad_clip_norm
        if limit is None:
            return list(gradients)
        norm = ops.sqrt(sum(ops.sum(ops.square(gradient)) for gradient in gradients))
        factor = limit / ops.maximum(norm, limit)
        return [gradient * factor for gradient in gradients]

    def _rule(
        self, gradient: Tensor, slots: Sequence[keras.Variable], rate: Tensor, count: Tensor
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
        # Decoupled Weight Decay Regularization, arXiv:1711.05101, algorithm 2, lines 9 to 12.
        bias_1, bias_2 = 1.0 - beta_1**count, 1.0 - beta_2**count
        step = rate * ops.sqrt(bias_2) / bias_1 * first / (ops.sqrt(second) + settings.epsilon)
        return step, [first, second]


def _zeros_like(variable: keras.Variable, name: str) -> keras.Variable:
    return keras.Variable(ops.zeros(variable.shape), trainable=False, name=name)


def _decayed_ids(model: keras.Model) -> set[int]:
    convolutions = (layer for layer in model.layers if isinstance(layer, keras.layers.Conv2D))
    return {id(layer.kernel) for layer in convolutions}


def _backbone_ids(model: keras.Model) -> set[int]:
    layers = (layer for layer in model.layers if is_of_backbone(layer.name))
    return {id(variable) for layer in layers for variable in layer.trainable_variables}
