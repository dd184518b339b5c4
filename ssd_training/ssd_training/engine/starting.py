"""How a training starts: anew, or where a checkpoint ends."""

import dataclasses
import logging
from pathlib import Path
import shutil
import tempfile

from ssd_training.engine.checkpoint_source import Source
from ssd_training.engine.checkpoints import (
    Checkpoint,
    copy_checkpoint,
    file_name,
    Position,
    read_checkpoint,
)
from ssd_training.engine.run_folder import BEST_WEIGHTS, CHECKPOINTS, METRICS, RunFolder
from ssd_training.engine.state import has_same_variables, restore_state, restore_weights
from ssd_training.engine.storage import Folder
from ssd_training.engine.trainer import Training
from ssd_training.errors import CheckpointError, RunError
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


def take_over(
    training: Training, source: Source, position: Position, folder: RunFolder
) -> Position:
    """
    Bring what a run has beside its checkpoint to another folder, where it goes on.

    :param training: of the same recipe
    :param source: where it comes from
    :param position: where it goes on
    :param folder: of the run here; gets the metric history, the best checkpoint and its weights
    :return: the position; without a best where that is not to be had, which is logged
    """
    try:
        if source.run is None:
            raise CheckpointError(['the checkpoint lies in no run folder'])
        with tempfile.TemporaryDirectory(prefix='run-') as scratch:
            history = source.run.fetch(METRICS, Path(scratch))
            if position.best_step is not None and training.config.checkpoint.save_best:
                _copy_best(source.run, position.best_step, folder, Path(scratch))
            folder.take_metrics(history)
    except RunError as error:
        logger.warning('%s; history and best start anew', error)
        return dataclasses.replace(position, best_metric=None, best_step=None)
    return position


def _copy_best(run: Folder, step: int, folder: RunFolder, scratch: Path) -> None:
    best = run.fetch(f'{CHECKPOINTS}/best/{file_name(step)}', scratch)
    read_checkpoint(best.parent, step)
    weights = run.fetch(BEST_WEIGHTS, scratch)
    copy_checkpoint(best.parent, step, folder.best)
    shutil.copyfile(weights, folder.path / BEST_WEIGHTS)
    logger.info('%s: took its best, of step %d', run.name, step)


def _check_data(training: Training, checkpoint: Checkpoint) -> None:
    if checkpoint.data_sha256 != training.data_sha256:
        raise CheckpointError(
            [
                f'the annotations have changed since the checkpoint (SHA-256 '
                f'{checkpoint.data_sha256[:12]}, now {training.data_sha256[:12]}); bring the data '
                f'back, or start anew with another train.seed'
            ]
        )
