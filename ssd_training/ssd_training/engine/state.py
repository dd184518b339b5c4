"""The state of a training as arrays, and back."""

from collections.abc import Mapping, Sequence
import dataclasses

import keras
import numpy as np

from ssd_training.engine.checkpoints import Arrays, Checkpoint
from ssd_training.errors import CheckpointError
from ssd_training.experiments.architecture import list_misfits

Variables = Mapping[str, keras.Variable]
MODEL = 'model/'
AVERAGE = 'average/weights/'
_SHOWN = 5


def read_state(variables: Variables) -> Arrays:
    """
    Copy every variable.

    :param variables: by name
    :return: arrays by the same names
    """
    return {name: np.array(variable.value) for name, variable in variables.items()}


def restore_state(checkpoint: Checkpoint, variables: Variables) -> None:
    """
    Give every variable its value; all of them, or none.

    :param checkpoint: its arrays
    :param variables: by name; are changed
    :raises CheckpointError: when one is missing, left over or of another shape
    """
    found = {name: array.shape for name, array in checkpoint.arrays.items()}
    wanted = {name: tuple(variable.shape) for name, variable in variables.items()}
    if misfits := list_misfits(found, wanted):
        raise CheckpointError(_shorten(misfits))
    for name, variable in variables.items():
        variable.assign(checkpoint.arrays[name])


def has_same_variables(checkpoint: Checkpoint, variables: Variables) -> bool:
    """
    Tell whether restore_state would work.

    :param checkpoint: of any run
    :param variables: by name
    :return: false when optimizer, frozen blocks or the average are others
    """
    return {name: array.shape for name, array in checkpoint.arrays.items()} == {
        name: tuple(variable.shape) for name, variable in variables.items()
    }


def restore_weights(checkpoint: Checkpoint, variables: Variables) -> None:
    """
    Take the network's weights alone: their average, where the checkpoint has one.

    :param checkpoint: of the same architecture
    :param variables: by name; those of the model and of its average are changed
    :raises CheckpointError: when one is missing or of another shape
    """
    arrays = {name: array for name, array in checkpoint.arrays.items() if name.startswith(MODEL)}
    for name in arrays:
        average = checkpoint.arrays.get(AVERAGE + name.removeprefix(MODEL))
        arrays[name] = arrays[name] if average is None else average
    own = {name: variable for name, variable in variables.items() if name.startswith(MODEL)}
    restore_state(dataclasses.replace(checkpoint, arrays=arrays), own)
    for name, variable in own.items():
        average_variable = variables.get(AVERAGE + name.removeprefix(MODEL))
        if average_variable is not None:
            average_variable.assign(variable)


def _shorten(findings: Sequence[str]) -> list[str]:
    rest = len(findings) - _SHOWN
    return [*findings[:_SHOWN], f'... and {rest} more'] if rest > 0 else list(findings)
