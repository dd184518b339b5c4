"""How a training starts: anew, or where a checkpoint ends."""

import dataclasses
import logging
from pathlib import Path
import shutil
import tempfile

from ssd_training.errors import CheckpointError, RunError
from ssd_training.experiments.architecture import (
    Architecture,
    describe_architecture,
    list_misfits,
)
from ssd_training.runs.checkpoint_source import Source
from ssd_training.runs.checkpoints import (
    Checkpoint,
    copy_checkpoint,
    file_name,
    Position,
    read_checkpoint,
)
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.layout import BEST_WEIGHTS, CHECKPOINTS, METRICS
from ssd_training.runs.state import (
    has_same_variables,
    restore_for_labels,
    restore_state,
    restore_weights,
)
from ssd_training.runs.storage import Folder
from ssd_training.training.trainer import Training

# A network takes images of any size, and class heads can start anew.
_FREE_TO_START = ('data.labels', 'input_size')
# Where it makes no difference it is not named.
_LAID_OUT_AT = 'priors.laid_out_at_px'

logger = logging.getLogger(__name__)


def check_architecture(checkpoint: Checkpoint, architecture: Architecture) -> None:
    """
    Refuse a checkpoint of another network; nothing but the architecture counts.

    :param checkpoint: as read
    :param architecture: of the experiment
    :raises CheckpointError: which names the keys
    """
    misfits = list_misfits(checkpoint.architecture, describe_architecture(architecture))
    if misfits:
        raise CheckpointError(
            [f'the checkpoint is of another architecture: {misfit}' for misfit in misfits]
        )


def check_start(checkpoint: Checkpoint, architecture: Architecture) -> None:
    """
    Refuse a checkpoint that a training can't start from; labels and input size may be others.

    :param checkpoint: as read
    :param architecture: of the experiment
    :raises CheckpointError: which names the keys
    """
    wanted = describe_architecture(architecture)
    free = {key: wanted[key] for key in _FREE_TO_START if key in checkpoint.architecture}
    found = {**checkpoint.architecture, **free}
    found.pop(_LAID_OUT_AT, None)
    if _LAID_OUT_AT in wanted:
        found[_LAID_OUT_AT] = wanted[_LAID_OUT_AT]
    check_architecture(dataclasses.replace(checkpoint, architecture=found), architecture)


def go_on(training: Training, checkpoint: Checkpoint, *, fingerprint: str) -> Position:
    """
    Restore a training and tell where it goes on.

    A checkpoint of this very recipe gives back everything. One of another recipe gives back its
    state and step, so that a longer or changed training goes on with it; where the optimizer's
    variables are others, it gives the weights alone, for a training from step 0. So it does
    where labels or input size are others; rows of the class heads then follow their labels.

    :param training: from prepare; its variables are changed
    :param checkpoint: that passed check_start
    :param fingerprint: of this run
    :return: the position
    :raises CheckpointError: when the data changed under a run, or no step is left
    """
    if checkpoint.fingerprint == fingerprint:
        _check_data(training, checkpoint)
        restore_state(checkpoint, training.step.state)
        return checkpoint.position
    others = _list_free_misfits(checkpoint, training.config.architecture)
    if others:
        logger.warning(
            'the checkpoint is of recipe %s with other %s: its weights are taken, and training '
            'starts at step 0',
            *(checkpoint.fingerprint, ' and '.join(others)),
        )
        restore_for_labels(checkpoint, training.step.state, training.config.data.labels)
        return Position(seed=training.config.train.seed)
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
    if position.epochs_done == 0:
        return position
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


def _list_free_misfits(checkpoint: Checkpoint, architecture: Architecture) -> list[str]:
    wanted = describe_architecture(architecture)
    found = checkpoint.architecture
    misfits = [key for key in _FREE_TO_START if key in found and found[key] != wanted[key]]
    # At another size the priors lie elsewhere anyhow.
    has_moved = found.get(_LAID_OUT_AT) != wanted.get(_LAID_OUT_AT)
    return misfits or [_LAID_OUT_AT] * has_moved


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
                f'back, or leave --resume out and start from its weights '
                f'(backbone.weights=RUN/checkpoints/last/{file_name(checkpoint.position.step)}) '
                f'or anew (train.seed=N)'
            ]
        )
