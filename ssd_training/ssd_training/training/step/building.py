"""From the sections of an experiment to its network and its training step."""

import keras

from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.experiments.training_schema import MultiScaleSettings, QuantizationSettings
from ssd_training.model.quantized_ssd import build_quantized
from ssd_training.model.ssd import build_ssd
from ssd_training.targets.priors import priors_per_cell
from ssd_training.training.step.freezing import plan_phases
from ssd_training.training.step.objective import Objective
from ssd_training.training.step.optimizer import Optimizer
from ssd_training.training.step.schedule import Schedule
from ssd_training.training.step.train_step import TrainStep
from ssd_training.training.step.weight_average import WeightAverage


def build_model(architecture: Architecture) -> keras.Model:
    """
    Build the network that an experiment trains, with random weights.

    :param architecture: of the experiment
    :return: see build_ssd, and build_quantized
    """
    return add_quantization(build_float_model(architecture), architecture.quantization)


def build_float_model(architecture: Architecture, *, layer_policy: str = 'float32') -> keras.Model:
    """
    Build an experiment's network with random weights, without quantization.

    :param architecture: of the experiment
    :param layer_policy: what layers compute in; float32 for everything but training
    :return: see build_ssd
    """
    return build_ssd(
        input_size_hw=architecture.input_size,
        num_classes=architecture.num_classes,
        priors_per_cell=priors_per_cell(architecture.priors),
        backbone=architecture.backbone,
        heads=architecture.heads,
        activation=architecture.activation,
        layer_policy=layer_policy,
    )


def add_quantization(model: keras.Model, settings: QuantizationSettings | None) -> keras.Model:
    """
    Let a network train for INT8, where the experiment wants it.

    :param model: from build_float_model
    :param settings: the section `quantization`
    :return: with fake quantization, or the model itself
    """
    return model if settings is None else build_quantized(model, settings)


def build_step(
    config: ExperimentConfig,
    model: keras.Model,
    *,
    steps_per_epoch: int,
    schedule: Schedule,
    average: WeightAverage | None,
    teacher: keras.Model | None = None,
) -> TrainStep:
    """
    Build the step of an experiment; in the scope of the strategy that runs it.

    :param config: the experiment
    :param model: from build_float_model or build_model
    :param steps_per_epoch: batches
    :param schedule: of the learning rate, in steps
    :param average: updated with the weights, or None
    :param teacher: from load_teacher, or None
    :return: the step, nothing compiled yet
    """
    phases = plan_phases(
        model,
        config.train.unfreeze,
        freeze_bn=config.backbone.freeze_bn,
        steps_per_epoch=steps_per_epoch,
    )
    # Slots for everything that trains at some time: the variables are the same to the end.
    phases[-1].enter(model)
    optimizer = Optimizer(config.optimizer, model, backbone_factor=config.backbone.grad_scale)
    objectives = {
        size_px: Objective(
            model,
            size_px,
            priors=config.priors,
            matcher=config.matcher,
            loss=config.loss,
            sampler=config.sampler,
            teacher=teacher,
            folds=config.quantization is None and any(phase.freeze_bn for phase in phases),
        )
        for size_px in input_sizes_px(config.train.multi_scale, config.input_size[0])
    }
    return TrainStep(
        model,
        objectives,
        config.train,
        optimizer=optimizer,
        phases=phases,
        schedule=schedule,
        average=average,
        observes_always=config.quantization is not None,
    )


def input_sizes_px(settings: MultiScaleSettings, own_px: int) -> tuple[int, ...]:
    """
    List the sizes that the network trains with.

    :param settings: the section `train.multi_scale`
    :param own_px: side of the square that it is built for
    :return: sides of the squares
    """
    return settings.sizes_px if settings.enabled else (own_px,)
