"""
The network of a finished training: as it was trained, and as it is deployed.

Whoever scores, exports or quantizes what was trained reads it here. A checkpoint of the training
gives the weights that the training itself evaluates and keeps: `train.ema.eval_use_ema`.
"""

import dataclasses
from pathlib import Path

import keras

from ssd_training.errors import WeightsError
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.model.quantized_ssd import (
    build_float_twin,
    build_quantized,
    Grids,
)
from ssd_training.model.weights import load_weights
from ssd_training.runs.checkpoints import read_checkpoint, step_of
from ssd_training.runs.state import MODEL, restore_weights
from ssd_training.training.resuming import check_architecture
from ssd_training.training.step.building import build_float_model, build_model


def load_trained(config: ExperimentConfig, weights_path: Path) -> keras.Model:
    """
    Load the network as it was trained.

    :param config: the experiment
    :param weights_path: *.weights.h5 or ckpt-<step>.npz of the run
    :return: with fake quantization where it was trained for INT8
    :raises WeightsError: when the weights do not fit
    :raises CheckpointError: when the checkpoint does not
    """
    model = build_model(config)
    _fill(model, weights_path, config)
    return model


def load_float(config: ExperimentConfig, weights_path: Path) -> keras.Model:
    """
    Load the float network that is exported.

    :param config: the experiment
    :param weights_path: *.weights.h5 or ckpt-<step>.npz of the run
    :return: what was trained; its float twin where it was trained for INT8
    :raises WeightsError: when the weights do not fit
    :raises CheckpointError: when the checkpoint does not
    """
    trained = load_trained(config, weights_path)
    if config.quantization is None:
        return trained
    return build_float_twin(build_float_model(config), trained)


def load_quantized(config: ExperimentConfig, weights_path: Path, grids: Grids) -> keras.Model:
    """
    Load a network that was trained for INT8, to run on one kind of hardware.

    :param config: the experiment, with quantization
    :param weights_path: *.weights.h5 or ckpt-<step>.npz of the run
    :param grids: of activations
    :return: the network with fake quantization
    :raises WeightsError: when the weights do not fit
    :raises CheckpointError: when the checkpoint does not
    """
    assert config.quantization is not None, 'the caller asked for it'
    model = build_quantized(build_float_model(config), config.quantization, grids)
    _fill(model, weights_path, config)
    return model


def _fill(model: keras.Model, weights_path: Path, config: ExperimentConfig) -> None:
    if not weights_path.is_file():
        raise WeightsError([f'{weights_path}: no such file; check the path'])
    step = step_of(weights_path.name)
    if step is None:
        load_weights(model, weights_path)
        return
    checkpoint = read_checkpoint(weights_path.parent, step)
    check_architecture(checkpoint, config)
    if not config.train.ema.eval_use_ema:
        own = {name: array for name, array in checkpoint.arrays.items() if name.startswith(MODEL)}
        checkpoint = dataclasses.replace(checkpoint, arrays=own)
    restore_weights(checkpoint, {f'{MODEL}{weight.path}': weight for weight in model.weights})
