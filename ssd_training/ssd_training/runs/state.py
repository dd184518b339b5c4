"""The state of a training as arrays, and back."""

from collections.abc import Mapping, Sequence
import dataclasses
import logging

import keras
import numpy as np

from ssd_training.errors import CheckpointError
from ssd_training.experiments.architecture import list_misfits
from ssd_training.model.class_rows import match_rows
from ssd_training.model.ssd import is_class_head
from ssd_training.runs.checkpoints import Arrays, Checkpoint

Variables = Mapping[str, keras.Variable]
MODEL = 'model/'
AVERAGE = 'average/weights/'
_SHOWN = 5

logger = logging.getLogger(__name__)


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


def average_weights(checkpoint: Checkpoint) -> Arrays:
    """
    Take the network's weights from a checkpoint: their average, where it has one.

    :param checkpoint: of any run
    :return: by Keras' path of the variable
    """
    weights = {
        name.removeprefix(MODEL): array
        for name, array in checkpoint.arrays.items()
        if name.startswith(MODEL)
    }
    return {path: checkpoint.arrays.get(AVERAGE + path, array) for path, array in weights.items()}


def restore_for_labels(
    checkpoint: Checkpoint, variables: Variables, labels: Sequence[str]
) -> None:
    """
    Take the network's weights alone, where the class heads may be those of other labels.

    :param checkpoint: of an architecture that differs in the labels alone
    :param variables: by name; those of the model and of its average are changed
    :param labels: of this network, without the background
    :raises CheckpointError: when one is missing or of another shape
    """
    found_labels = checkpoint.architecture['data.labels']
    rows = match_rows(found_labels, len(found_labels) + 1, labels)
    arrays = dict(checkpoint.arrays)
    for name, variable in variables.items():
        layer_name = name.removeprefix(MODEL).partition('/')[0]
        if not name.startswith(MODEL) or name not in arrays:
            continue
        fresh = np.array(variable.value)
        if is_class_head(layer_name):
            for source in {name, AVERAGE + name.removeprefix(MODEL)} & arrays.keys():
                arrays[source] = rows.take(arrays[source], fresh)
        elif is_class_head(layer_name.removesuffix('_quantizer')):
            # The range of what other rows said.
            arrays[name] = fresh
    if not rows.are_equal:
        logger.info('%s', rows)
    restore_weights(dataclasses.replace(checkpoint, arrays=arrays), variables)


def restore_weights(checkpoint: Checkpoint, variables: Variables) -> None:
    """
    Take the network's weights alone: their average, where the checkpoint has one.

    :param checkpoint: of the same architecture
    :param variables: by name; those of the model and of its average are changed
    :raises CheckpointError: when one is missing or of another shape
    """
    arrays = {MODEL + path: array for path, array in average_weights(checkpoint).items()}
    own = {name: variable for name, variable in variables.items() if name.startswith(MODEL)}
    restore_state(dataclasses.replace(checkpoint, arrays=arrays), own)
    for name, variable in own.items():
        average_variable = variables.get(AVERAGE + name.removeprefix(MODEL))
        if average_variable is not None:
            average_variable.assign(variable)


def _shorten(findings: Sequence[str]) -> list[str]:
    rest = len(findings) - _SHOWN
    return [*findings[:_SHOWN], f'... and {rest} more'] if rest > 0 else list(findings)
