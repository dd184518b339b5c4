"""The loop: steps and epochs, and an end at any step."""

from collections.abc import Iterator, Mapping
import dataclasses
import math
import time
from typing import Any

from ssd_training.errors import InterruptedRun, RunError
from ssd_training.runs.checkpoints import Position
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.signals import StopRequest
from ssd_training.targets.matching import GroundTruthBatch
from ssd_training.training.epoch_end import EpochEnd
from ssd_training.training.keeper import Keeper
from ssd_training.training.progress import Display, StepReport, Stopwatch
from ssd_training.training.tensorboard import EventWriter
from ssd_training.training.trainer import make_batches, Training

LOSS_TAGS = ('train/loss', 'train/classification_loss', 'train/regression_loss', 'train/num_pos')
_SHOWN_LOSSES = ('loss', 'class', 'box')


class Loop:
    """
    A training in progress.

    :param training: built, and restored where it goes on
    :param folder: of the run
    :param keeper: of the checkpoints
    :param position: where it starts
    :param stop: the request of a signal
    :param display: for the progress
    :param events: for TensorBoard
    """

    def __init__(
        self,
        training: Training,
        folder: RunFolder,
        keeper: Keeper,
        *,
        position: Position,
        stop: StopRequest,
        display: Display,
        events: EventWriter,
    ) -> None:
        self._training = training
        self._folder = folder
        self._keeper = keeper
        self._position = position
        self._stop = stop
        self._display = display
        self._events = events
        self._is_chief = training.distribution.is_chief
        self._stopwatch = Stopwatch(training.config.train.batch_size)
        self._epoch_end = EpochEnd(training, folder, keeper, events=events, stop=stop)

    def run(self) -> Position:
        """
        Train the epochs that are left.

        :return: where the training ended
        :raises InterruptedRun: when a signal came; the state is saved
        :raises RunError: when the loss is no number, or there is no room to write
        """
        if self._is_chief:
            self._keeper.forget_after(self._position)
            self._folder.forget_metrics_after(self._position.step)
        batches = self._training.distribution.iterate(
            lambda shard_index, num_shards: make_batches(
                self._training,
                first_step=self._position.step,
                shard_index=shard_index,
                num_shards=num_shards,
            )
        )
        while self._position.epochs_done < self._training.config.train.epochs:
            self._train_epoch(batches)
            self._finish_epoch()
        return self._position

    def _train_epoch(self, batches: Iterator[Any]) -> None:
        last_step = (self._position.epochs_done + 1) * self._training.steps_per_epoch
        every = self._training.config.checkpoint.save_every_steps
        while self._position.step < last_step:
            self._stop_if_asked()
            self._train_step(batches)
            if self._is_chief and every and self._position.step % every == 0:
                self._keeper.save(self._position)

    def _train_step(self, batches: Iterator[Any]) -> None:
        start_s = time.perf_counter()
        batch = next(batches)
        waited_s = time.perf_counter() - start_s
        loss = self._training.step(batch[0], GroundTruthBatch(*batch[1:]))
        losses = dict(zip(LOSS_TAGS, (float(value) for value in loss), strict=True))
        self._stopwatch.add(wait_s=waited_s, step_s=time.perf_counter() - start_s - waited_s)
        if not math.isfinite(losses[LOSS_TAGS[0]]):
            raise RunError([self._describe_bad_loss(losses)])
        sums = self._position.loss_sums
        self._position = dataclasses.replace(
            self._position,
            step=self._position.step + 1,
            loss_sums={tag: sums.get(tag, 0.0) + value for tag, value in losses.items()},
        )
        self._report(losses)

    def _report(self, losses: Mapping[str, float]) -> None:
        config, step = self._training.config, self._position.step
        total_steps = self._training.total_steps
        pace = self._stopwatch.pace(total_steps - step)
        rate = self._learning_rate(step - 1)
        self._display.show(
            StepReport(
                epoch=self._position.epochs_done + 1,
                step=step,
                total_steps=total_steps,
                losses=dict(zip(_SHOWN_LOSSES, losses.values(), strict=False)),
                learning_rate=rate,
                pace=pace,
            )
        )
        if step % config.logging.log_interval_steps == 0:
            self._events.add_scalars(step, {**losses, 'train/lr': rate, **self._speed()})

    def _finish_epoch(self) -> None:
        epoch, means = self._position.epochs_done + 1, self._mean_values()
        metrics = self._epoch_end.evaluate(epoch, self._position.step) if self._is_chief else {}
        self._stop_if_asked()
        position = dataclasses.replace(self._position, epochs_done=epoch, loss_sums={})
        if self._is_chief:
            position = self._epoch_end.keep(position, means | metrics)
        self._position = position

    def _mean_values(self) -> dict[str, float]:
        """Give what the steps of an epoch tell: means of the losses, rate, speed."""
        means = {
            tag: total / self._training.steps_per_epoch
            for tag, total in self._position.loss_sums.items()
        }
        means['train/lr'] = self._learning_rate(self._position.step - 1)
        return means | (self._speed() if self._stopwatch.has_steps else {})

    def _speed(self) -> dict[str, float]:
        pace = self._stopwatch.pace(0)
        return {
            'train/images_per_s': pace.images_per_s,
            'train/data_wait_share': pace.data_wait_share,
        }

    def _stop_if_asked(self) -> None:
        """End the training with its state saved; with several workers, on all of them at once."""
        if not self._training.distribution.agree(self._stop.signal is not None):
            return
        if self._is_chief:
            self._keeper.save(self._position)
        signal = self._stop.signal
        name = signal.name if signal else 'another worker received a signal'
        raise InterruptedRun(
            signal.value if signal else 15,
            f'{name}: stopped at step {self._position.step}, which is saved; go on with --resume',
        )

    def _describe_bad_loss(self, losses: Mapping[str, float]) -> str:
        training, step = self._training, self._position.step
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
