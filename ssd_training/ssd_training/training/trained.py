"""
The network of a finished training: as it was trained, and as it is deployed.

Whoever scores, exports or quantizes what was trained reads it here. A checkpoint of the training
gives the weights that the training itself evaluates and keeps: `train.ema.eval_use_ema`.
"""

import dataclasses
from pathlib import Path

import keras

from ssd_training.errors import WeightsError
from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.training_schema import EmaSettings
from ssd_training.model.quantized_ssd import (
    build_float_twin,
    build_quantized,
    Grids,
)
from ssd_training.model.weights import load_weights
from ssd_training.runs.checkpoints import read_checkpoint, step_of
from ssd_training.runs.start_weights import is_archive
from ssd_training.runs.state import MODEL, restore_weights
from ssd_training.training.pretrained import load_detector
from ssd_training.training.resuming import check_architecture
from ssd_training.training.step.building import build_float_model, build_model


def load_trained(
    weights_path: Path, architecture: Architecture, *, ema: EmaSettings
) -> keras.Model:
    """
    Load the network as it was trained.

    :param weights_path: *.weights.h5 or ckpt-<step>.npz of the run, or a detector's archive *.npz
    :param architecture: of its experiment
    :param ema: the section `train.ema`: which weights of a checkpoint count
    :return: with fake quantization where it was trained for INT8
    :raises WeightsError: when the weights do not fit
    :raises CheckpointError: when the checkpoint does not
    """
    model = build_model(architecture)
    _fill(model, weights_path, architecture, ema)
    return model


def load_float(weights_path: Path, architecture: Architecture, *, ema: EmaSettings) -> keras.Model:
    """
    Load the float network that is exported.

    :param weights_path: *.weights.h5 or ckpt-<step>.npz of the run, or a detector's archive *.npz
    :param architecture: of its experiment
    :param ema: the section `train.ema`: which weights of a checkpoint count
    :return: what was trained; its float twin where it was trained for INT8
    :raises WeightsError: when the weights do not fit
    :raises CheckpointError: when the checkpoint does not
    """
    trained = load_trained(weights_path, architecture, ema=ema)
    if architecture.quantization is None:
        return trained
    return build_float_twin(build_float_model(architecture), trained)


def load_quantized(
    weights_path: Path, architecture: Architecture, *, ema: EmaSettings, grids: Grids
) -> keras.Model:
    """
    Load a network that was trained for INT8, to run on one kind of hardware.

    :param weights_path: *.weights.h5 or ckpt-<step>.npz of the run
    :param architecture: of its experiment, with quantization
    :param ema: the section `train.ema`: which weights of a checkpoint count
    :param grids: of activations
    :return: the network with fake quantization
    :raises WeightsError: when the weights do not fit
    :raises CheckpointError: when the checkpoint does not
    """
    assert architecture.quantization is not None, 'the caller asked for it'
    model = build_quantized(build_float_model(architecture), architecture.quantization, grids)
    _fill(model, weights_path, architecture, ema)
    return model


def _fill(
    model: keras.Model, weights_path: Path, architecture: Architecture, ema: EmaSettings
) -> None:
    if not weights_path.is_file():
        raise WeightsError([f'{weights_path}: no such file; check the path'])
    if is_archive(weights_path):
        if architecture.quantization is not None:
            raise WeightsError(
                [
                    f'{weights_path}: is no network that was trained for INT8 (quantization); '
                    f'take the experiment without it, or train this one from the archive'
                ]
            )
        load_detector(model, str(weights_path), architecture, key='checkpoint')
        return
    step = step_of(weights_path.name)
    if step is None:
        load_weights(model, weights_path)
        return
    checkpoint = read_checkpoint(weights_path.parent, step)
    check_architecture(checkpoint, architecture)
    if not ema.eval_use_ema:
        own = {name: array for name, array in checkpoint.arrays.items() if name.startswith(MODEL)}
        checkpoint = dataclasses.replace(checkpoint, arrays=own)
    restore_weights(checkpoint, {f'{MODEL}{weight.path}': weight for weight in model.weights})
