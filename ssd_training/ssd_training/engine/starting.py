"""How a training starts: anew, or where a checkpoint ends."""

import logging

from ssd_training.engine.checkpoints import Checkpoint, Position
from ssd_training.engine.state import has_same_variables, restore_state, restore_weights
from ssd_training.engine.trainer import Training
from ssd_training.errors import CheckpointError
from ssd_training.experiments.architecture import describe_architecture, list_misfits
from ssd_training.experiments.schema import ExperimentConfig

logger = logging.getLogger(__name__)


def check_architecture(checkpoint: Checkpoint, config: ExperimentConfig) -> None:
    """
    Refuse a checkpoint of another network; nothing but the architecture counts.

    :param checkpoint: as read
    :param config: the experiment
    :raises CheckpointError: which names the keys
    """
    misfits = list_misfits(checkpoint.architecture, describe_architecture(config))
    if misfits:
        raise CheckpointError(
            [f'the checkpoint is of another architecture: {misfit}' for misfit in misfits]
        )


def go_on(training: Training, checkpoint: Checkpoint, *, fingerprint: str) -> Position:
    """
    Restore a training and tell where it goes on.

    A checkpoint of this very recipe gives back everything. One of another recipe gives back its
    state and step, so that a longer or changed training goes on with it; where the optimizer's
    variables are others, it gives the weights alone, for a training from step 0.

    :param training: from prepare; its variables are changed
    :param checkpoint: of the same architecture
    :param fingerprint: of this run
    :return: the position
    :raises CheckpointError: when the data changed under a run, or no step is left
    """
    if checkpoint.fingerprint == fingerprint:
        _check_data(training, checkpoint)
        restore_state(checkpoint, training.step.state)
        return checkpoint.position
    if not has_same_variables(checkpoint, training.step.state):
        logger.warning(
            'the checkpoint is of recipe %s with another optimizer, average or frozen part: its '
            'weights are taken, and training starts at step 0',
            checkpoint.fingerprint,
        )
        restore_weights(checkpoint, training.step.state)
        return Position(seed=training.config.train.seed)
    step = checkpoint.position.step
    if step >= training.total_steps:
        raise CheckpointError(
            [
                f'the checkpoint has {step} steps, this training has {training.total_steps}: '
                f'nothing is left; raise train.epochs'
            ]
        )
    logger.warning(
        'the checkpoint is of recipe %s: its state goes on at step %d; best starts anew',
        *(checkpoint.fingerprint, step),
    )
    restore_state(checkpoint, training.step.state)
    return Position(
        step=step,
        epochs_done=step // training.steps_per_epoch,
        seed=training.config.train.seed,
    )


def _check_data(training: Training, checkpoint: Checkpoint) -> None:
    if checkpoint.data_sha256 != training.data_sha256:
        raise CheckpointError(
            [
                f'the annotations have changed since the checkpoint (SHA-256 '
                f'{checkpoint.data_sha256[:12]}, now {training.data_sha256[:12]}); bring the data '
                f'back, or start anew with another train.seed'
            ]
        )
