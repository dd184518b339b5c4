"""The network that another one learns from: `loss.distillation.teacher`."""

import keras

from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.loss_schema import DistillationSettings
from ssd_training.runs.start_weights import TEACHER
from ssd_training.training.pretrained import load_detector
from ssd_training.training.step.building import build_float_model


def load_teacher(
    settings: DistillationSettings | None, architecture: Architecture, *, layer_policy: str
) -> keras.Model | None:
    """
    Build the teacher of an experiment: its own network, with the weights of a trained one.

    :param settings: the section `loss.distillation`
    :param architecture: of the experiment
    :param layer_policy: what its layers compute in
    :return: does not train; None where the experiment has none
    :raises WeightsError: when it can not be read, or is of other classes or another network
    :raises CheckpointError: when it is a checkpoint that can not be read
    :raises BundleError: when it is a bundle that is damaged
    """
    if settings is None:
        return None
    teacher = build_float_model(architecture, layer_policy=layer_policy)
    load_detector(teacher, settings.teacher, architecture, key=TEACHER)
    teacher.trainable = False
    return teacher
