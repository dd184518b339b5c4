"""Steps, one after the other: wait for a batch, update, and say what it cost and how fast."""

from collections.abc import Iterator, Mapping
import dataclasses
import math
import time
from typing import Any

from ssd_training.errors import RunError
from ssd_training.runs.checkpoints import Position
from ssd_training.targets.prior_matching import GroundTruthBatch
from ssd_training.training.progress import Display, StepReport, Stopwatch
from ssd_training.training.tensorboard import EventWriter
from ssd_training.training.trainer import Training

LOSS_TAGS = ('train/loss', 'train/classification_loss', 'train/regression_loss', 'train/num_pos')
_SHOWN_LOSSES = ('loss', 'class', 'box')


class Steps:
    """
    Takes the steps of a training and says what they did.

    :param training: in progress
    :param display: for the progress
    :param events: for TensorBoard
    """

    def __init__(self, training: Training, display: Display, events: EventWriter) -> None:
        self._training = training
        self._display = display
        self._events = events
        self._stopwatch = Stopwatch(training.config.train.batch_size)

    def take(self, batches: Iterator[Any], position: Position) -> Position:
        """
        Train on the next batch.

        :param batches: from which the next one is taken
        :param position: before the step
        :return: the position behind it
        :raises RunError: when the loss is no number
        """
        start_s = time.perf_counter()
        batch = next(batches)
        waited_s = time.perf_counter() - start_s
        loss = self._training.step(batch[0], GroundTruthBatch(*batch[1:]))
        losses = dict(zip(LOSS_TAGS, (float(value) for value in loss), strict=True))
        self._stopwatch.add(wait_s=waited_s, step_s=time.perf_counter() - start_s - waited_s)
        if not math.isfinite(losses[LOSS_TAGS[0]]):
            raise RunError([self._describe_bad_loss(losses, position.step)])
        sums = position.loss_sums
        position = dataclasses.replace(
            position,
            step=position.step + 1,
            loss_sums={tag: sums.get(tag, 0.0) + value for tag, value in losses.items()},
        )
        self._report(losses, position)
        return position

    def mean_values(self, position: Position) -> dict[str, float]:
        """
        Give what the steps of an epoch tell.

        :param position: behind its last step
        :return: tag -> value: means of the losses, the last rate, the speed where steps were taken
        """
        means = {
            tag: total / self._training.steps_per_epoch
            for tag, total in position.loss_sums.items()
        }
        means['train/lr'] = self._learning_rate(position.step - 1)
        return means | (self._speed() if self._stopwatch.has_steps else {})

    def _report(self, losses: Mapping[str, float], position: Position) -> None:
        step, total_steps = position.step, self._training.total_steps
        rate = self._learning_rate(step - 1)
        self._display.show(
            StepReport(
                epoch=position.epochs_done + 1,
                step=step,
                total_steps=total_steps,
                losses=dict(zip(_SHOWN_LOSSES, losses.values(), strict=False)),
                learning_rate=rate,
                pace=self._stopwatch.pace(total_steps - step),
            )
        )
        if step % self._training.config.logging.log_interval_steps == 0:
            self._events.add_scalars(step, {**losses, 'train/lr': rate, **self._speed()})

    def _speed(self) -> dict[str, float]:
        pace = self._stopwatch.pace(0)
        return {
            'train/images_per_s': pace.images_per_s,
            'train/data_wait_share': pace.data_wait_share,
        }

    def _describe_bad_loss(self, losses: Mapping[str, float], step: int) -> str:
        training = self._training
        files = ', '.join(
            training.train_records[index].image.name
            for index in training.order.indices_of_step(step)
        )
        parts = ', '.join(f'{tag} {value:g}' for tag, value in losses.items())
        return (
            f'step {step + 1}: the loss is {losses[LOSS_TAGS[0]]} ({parts}); training stopped; '
            f'the batch: {files}; look at these files and their boxes, or lower '
            f'scheduler.base_lr or optimizer.grad_clip_norm; the checkpoint before is kept'
        )

    def _learning_rate(self, step: int) -> float:
        return float(self._training.schedule(step))
