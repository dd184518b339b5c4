"""What of a training is kept: the last checkpoints, the best one, and the weights of both."""

from collections.abc import Mapping
import dataclasses
import logging
import math
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
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.layout import BEST_WEIGHTS, WEIGHTS
from ssd_training.runs.state import read_state
from ssd_training.training.supervision import Supervision
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
    :param supervision: is asked before it writes, and told what is kept
    """

    def __init__(
        self, training: Training, folder: RunFolder, fingerprint: str, supervision: Supervision
    ) -> None:
        self._training = training
        self._folder = folder
        self._fingerprint = fingerprint
        self._supervision = supervision

    def is_due_in_steps(self, position: Position) -> bool:
        """
        Tell whether a checkpoint follows a step.

        :param position: behind it
        :return: every `checkpoint.save_every_steps`
        """
        every = self._training.config.checkpoint.save_every_steps
        return every is not None and position.step % every == 0

    def is_due_in_epochs(self, position: Position) -> bool:
        """
        Tell whether a checkpoint follows an epoch.

        :param position: behind it
        :return: every `checkpoint.save_every_epochs`, and at the end
        """
        every = self._training.config.checkpoint.save_every_epochs
        is_last = position.epochs_done == self._training.config.train.epochs
        return is_last or (every is not None and position.epochs_done % every == 0)

    def save(self, position: Position) -> None:
        """
        Write a checkpoint to `last`.

        :param position: of the training, whose variables are read now
        :raises RunError: see write_checkpoint; earlier checkpoints are untouched
        """
        self._supervision.may_write()
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
        self._supervision.on_checkpoint(position.step)

    def keep_best(self, position: Position, metrics: Mapping[str, float]) -> Position:
        """
        Write a checkpoint to `best` if it is; the one before stays until the next save.

        :param position: behind an epoch
        :param metrics: of the epoch
        :return: the position, with the best of all epochs
        """
        settings = self._training.config.checkpoint
        value = metrics.get(settings.monitor)
        if value is None or not is_better(value, position.best_metric, mode=settings.mode):
            return position
        position = dataclasses.replace(position, best_metric=value, best_step=position.step)
        if settings.save_best:
            self._supervision.may_write()
            write_checkpoint(self._folder.best, self._checkpoint(position))
            self._save_weights(BEST_WEIGHTS)
        return position

    def save_final_weights(self) -> None:
        """Write what the training has made: the weights that it evaluates."""
        self._supervision.may_write()
        self._save_weights(WEIGHTS)

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

    def _save_weights(self, name: str) -> None:
        with self._training.evaluated_weights():
            save_weights(self._training.model, self._folder.path / name)

    def _checkpoint(self, position: Position) -> Checkpoint:
        return Checkpoint(
            position=position,
            architecture=describe_architecture(self._training.config.architecture),
            fingerprint=self._fingerprint,
            data_sha256=self._training.data_sha256,
            arrays=read_state(self._training.step.state),
        )


def is_better(value: float, best: float | None, *, mode: str) -> bool:
    """
    Compare two values of the monitored metric.

    :param value: the new one; NaN is no value
    :param best: the best so far, or None
    :param mode: max or min
    :return: whether the new one is better
    """
    if not math.isfinite(value):
        return False
    if best is None:
        return True
    return value > best if mode == 'max' else value < best
