"""The end of an epoch: evaluate when it is time, tell the result, keep the state and the best."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
import dataclasses
import logging
import math

from ssd_training.model.weights import save_weights
from ssd_training.runs.checkpoints import Position
from ssd_training.runs.folder import RunFolder, WEIGHTS
from ssd_training.runs.signals import StopRequest
from ssd_training.training.keeper import Keeper
from ssd_training.training.tensorboard import EventWriter
from ssd_training.training.trainer import Training
from ssd_training.training.validation import draw_examples, make_predict, validate

logger = logging.getLogger(__name__)


class EpochEnd:
    """
    What the process that writes does between two epochs.

    :param training: in progress
    :param folder: of the run
    :param keeper: of the checkpoints
    :param events: for TensorBoard
    :param stop: the request of a signal, which ends an evaluation
    """

    def __init__(
        self,
        training: Training,
        folder: RunFolder,
        keeper: Keeper,
        *,
        events: EventWriter,
        stop: StopRequest,
    ) -> None:
        self._training = training
        self._folder = folder
        self._keeper = keeper
        self._events = events
        self._stop = stop
        self._predict = make_predict(training, self._end_if_asked)

    def evaluate(self, epoch: int, step: int) -> dict[str, float]:
        """
        Score the weights that are kept, when it is time; show what they find.

        :param epoch: that has been trained, from 1
        :param step: steps done
        :return: tag -> value; empty when it is not time, or a signal ended it
        """
        train = self._training.config.train
        if epoch % train.eval_every and epoch != train.epochs:
            return {}
        try:
            with self._averaged():
                metrics = validate(self._training, self._predict)
                images = draw_examples(self._training, self._predict)
        except _EvaluationEnded:
            return {}
        self._events.add_images(step, 'val/inference_image', images)
        return metrics

    def keep(self, position: Position, metrics: Mapping[str, float]) -> Position:
        """
        Write what an epoch leaves.

        :param position: behind it
        :param metrics: of it
        :return: the position, with the best of all epochs
        """
        config, epoch = self._training.config, position.epochs_done
        self._tell(position, metrics)
        best = metrics.get(config.checkpoint.monitor)
        if best is not None and is_better(best, position.best_metric, mode=config.checkpoint.mode):
            position = dataclasses.replace(position, best_metric=best, best_step=position.step)
            if config.checkpoint.save_best:
                self._keep_best(position)
        is_last = epoch == config.train.epochs
        if is_last:
            with self._averaged():
                save_weights(self._training.model, self._folder.path / WEIGHTS)
        every = config.checkpoint.save_every_epochs
        if is_last or (every and epoch % every == 0):
            self._keeper.save(position)
        return position

    def _tell(self, position: Position, metrics: Mapping[str, float]) -> None:
        shown = (f'{tag} {value:.4g}' for tag, value in metrics.items() if '/AP/' not in tag)
        logger.info('epoch %d, step %d: %s', position.epochs_done, position.step, ', '.join(shown))
        self._folder.add_metrics(position.step, {'epoch': position.epochs_done, **metrics})
        # Beside the curve of the steps, which has the tag without the suffix.
        scalars = {
            f'{tag}_epoch_mean' if tag.startswith('train/') else tag: value
            for tag, value in metrics.items()
        }
        self._events.add_scalars(position.step, scalars)
        self._events.flush()

    def _keep_best(self, position: Position) -> None:
        self._keeper.save_best(position)
        with self._averaged():
            self._keeper.save_best_weights()

    def _averaged(self) -> AbstractContextManager[None]:
        average = self._training.average
        if average is None or not self._training.config.train.ema.eval_use_ema:
            return nullcontext()
        return average.applied()

    def _end_if_asked(self) -> None:
        # The model holds the averages here: what is to be saved comes back first.
        if self._stop.signal is not None:
            raise _EvaluationEnded


class _EvaluationEnded(Exception):
    """A signal came in the middle of an evaluation."""


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
