"""What of a training is kept: the last checkpoints, and the best one."""

import logging
import os

from ssd_training.experiments.architecture import describe_architecture
from ssd_training.model.weights import save_weights
from ssd_training.runs.checkpoints import (
    Checkpoint,
    copy_checkpoint,
    file_name,
    list_steps,
    Position,
    prune,
    write_checkpoint,
)
from ssd_training.runs.folder import BEST_WEIGHTS, RunFolder
from ssd_training.runs.state import read_state
from ssd_training.training.trainer import Training

logger = logging.getLogger(__name__)


class Keeper:
    """
    Writes checkpoints to a run folder.

    A kill at any moment leaves the checkpoint that was there before, and the best one that it
    names: the best is written before it, and an older best is deleted after it.

    :param training: whose variables are kept
    :param folder: of the run
    :param fingerprint: of the run
    """

    def __init__(self, training: Training, folder: RunFolder, fingerprint: str) -> None:
        self._training = training
        self._folder = folder
        self._fingerprint = fingerprint

    def save(self, position: Position) -> None:
        """
        Write a checkpoint to `last`.

        :param position: of the training, whose variables are read now
        :raises RunError: see write_checkpoint; earlier checkpoints are untouched
        """
        best = self._folder.best
        is_best = position.step == position.best_step and (
            best.is_dir() and position.step in list_steps(os.listdir(best))
        )
        if is_best:
            copy_checkpoint(best, position.step, self._folder.last)
        else:
            write_checkpoint(self._folder.last, self._checkpoint(position))
        prune(self._folder.last, keep=self._training.config.checkpoint.keep_last_k)
        if best.is_dir():
            prune(best, keep=1)
        logger.info('step %d: checkpoint written', position.step)

    def save_best(self, position: Position) -> None:
        """
        Write a checkpoint to `best`; the one before stays until the next save.

        :param position: of the training
        """
        write_checkpoint(self._folder.best, self._checkpoint(position))

    def save_best_weights(self) -> None:
        """Write the weights as they are now, the average where there is one."""
        save_weights(self._training.model, self._folder.path / BEST_WEIGHTS)

    def forget_after(self, position: Position) -> None:
        """
        Delete what belongs to a way that is not gone on with.

        :param position: where the training goes on
        """
        kept = {self._folder.last: position.step, self._folder.best: position.best_step or 0}
        for folder, step in kept.items():
            for later in list_steps(os.listdir(folder)) if folder.is_dir() else []:
                if later > step:
                    logger.info(
                        '%s: deleted, it is behind step %d', folder / file_name(later), step
                    )
                    (folder / file_name(later)).unlink()

    def _checkpoint(self, position: Position) -> Checkpoint:
        return Checkpoint(
            position=position,
            architecture=describe_architecture(self._training.config),
            fingerprint=self._fingerprint,
            data_sha256=self._training.data_sha256,
            arrays=read_state(self._training.step.state),
        )
