"""The network that another one learns from: `loss.distillation.teacher`."""

import keras

from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.runs.start_weights import TEACHER
from ssd_training.training.pretrained import load_detector
from ssd_training.training.step.building import build_float_model


def load_teacher(config: ExperimentConfig) -> keras.Model | None:
    """
    Build the teacher of an experiment: its own network, with the weights of a trained one.

    :param config: the experiment
    :return: does not train; None where the experiment has none
    :raises WeightsError: when it can not be read, or is of other classes or another network
    :raises CheckpointError: when it is a checkpoint that can not be read
    :raises BundleError: when it is a bundle that is damaged
    """
    if config.loss.distillation is None:
        return None
    teacher = build_float_model(config, layer_policy=config.train.amp.layer_policy)
    load_detector(teacher, config.loss.distillation.teacher, config, key=TEACHER)
    teacher.trainable = False
    return teacher
