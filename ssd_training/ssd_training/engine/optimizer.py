"""The optimizer of an experiment."""

from typing import Any

import keras

from ssd_training.experiments.training_schema import OptimizerSettings


def build_optimizer(
    settings: OptimizerSettings, learning_rate: Any, model: keras.Model
) -> keras.optimizers.Optimizer:
    """
    Build the optimizer for the weights of a model that train.

    Weight decay is for kernels: BatchNorm and biases are left out, and so are depthwise kernels
    (MobileNets, arXiv:1704.04861, section 3: they hold few weights, decay hurts them).

    :param settings: the section `optimizer`
    :param learning_rate: a number or a schedule
    :param model: with its layers frozen as they will train
    :return: the optimizer, with its slots made
    """
    shared = {
        'learning_rate': learning_rate,
        'weight_decay': settings.weight_decay,
        'global_clipnorm': settings.grad_clip_norm,
    }
    if settings.name == 'adamw':
        assert settings.betas is not None, 'the schema gives adamw its betas'
        beta_1, beta_2 = settings.betas
        optimizer = keras.optimizers.AdamW(
            beta_1=beta_1, beta_2=beta_2, epsilon=settings.epsilon, **shared
        )
    else:
        optimizer = keras.optimizers.SGD(
            momentum=settings.momentum, nesterov=settings.nesterov, **shared
        )
    optimizer.exclude_from_weight_decay(var_list=_undecayed(model))
    optimizer.build(model.trainable_variables)
    return optimizer


def _undecayed(model: keras.Model) -> list[keras.Variable]:
    decayed = {
        id(layer.kernel) for layer in model.layers if isinstance(layer, keras.layers.Conv2D)
    }
    return [variable for variable in model.trainable_variables if id(variable) not in decayed]
