"""The loop: steps, epochs, evaluation, checkpoints, and an end at any step."""

from collections.abc import Iterator, Mapping
from contextlib import nullcontext
import dataclasses
import logging
import math
import time
from typing import Any

from rich.console import Console

from ssd_training.data.pipeline import training_batches, TrainingBatches
from ssd_training.engine.checkpoints import Position
from ssd_training.engine.files import write_json
from ssd_training.engine.keeper import Keeper
from ssd_training.engine.progress import Display, open_display, StepReport, Stopwatch
from ssd_training.engine.run_folder import ENVIRONMENT, RunFolder, SUMMARY, WEIGHTS
from ssd_training.engine.signals import stop_on_signals, StopRequest
from ssd_training.engine.tensorboard import EventWriter, open_events
from ssd_training.engine.train_step import loading_size_hw
from ssd_training.engine.trainer import Training
from ssd_training.engine.validation import draw_examples, make_predict, validate
from ssd_training.errors import InterruptedRun, RunError
from ssd_training.model.weights import save_weights
from ssd_training.targets.matching import GroundTruthBatch

LOSS_TAGS = ('train/loss', 'train/classification_loss', 'train/regression_loss', 'train/num_pos')
_SHOWN_LOSSES = ('loss', 'class', 'box')

logger = logging.getLogger(__name__)


def run(
    training: Training,
    folder: RunFolder,
    *,
    position: Position,
    fingerprint: str,
    console: Console,
    environment: Mapping[str, Any],
) -> Position:
    """
    Train to the end; weights, metrics, checkpoints and log go to the run folder.

    What is evaluated and kept is the moving average, where there is one. Of several workers the
    first one writes.

    :param training: built, and restored where it goes on
    :param folder: of the run
    :param position: where it starts
    :param fingerprint: of the run
    :param console: for the progress
    :param environment: what it runs on, to be recorded
    :return: where it ended
    :raises InterruptedRun: when a signal came; the state is saved
    :raises RunError: when the loss is no number, or there is no room to write
    """
    config = training.config
    is_chief = training.distribution.is_chief
    display = open_display(
        console, total_steps=training.total_steps, interval_steps=config.logging.log_interval_steps
    )
    events = open_events(folder.logs, enabled=is_chief and config.logging.tensorboard.enabled)
    writing = folder.running(logs_to_file=config.logging.file.enabled)
    with stop_on_signals() as stop, writing if is_chief else nullcontext():
        with events as event_writer, display as shown:
            loop = Loop(
                training,
                folder,
                Keeper(training, folder, fingerprint),
                position=position,
                stop=stop,
                display=shown,
                events=event_writer,
            )
            if is_chief:
                _record_start(training, folder, position, environment)
            end = loop.run()
            if is_chief:
                _record_end(training, folder, end, fingerprint)
            return end


def _record_start(
    training: Training, folder: RunFolder, position: Position, environment: Mapping[str, Any]
) -> None:
    folder.logs.mkdir(parents=True, exist_ok=True)
    start = {
        'first_step': position.step,
        'seed': training.config.train.seed,
        'data_sha256': training.data_sha256,
        'num_replicas': training.distribution.num_replicas,
    }
    write_json(folder.logs / ENVIRONMENT, {**environment, **start})
    logger.info('%s: starts at step %d of %d', folder.path, position.step, training.total_steps)


def _record_end(training: Training, folder: RunFolder, end: Position, fingerprint: str) -> None:
    summary = {
        'job_name': training.config.experiment.id,
        'fingerprint': fingerprint,
        'primary_metric': training.config.checkpoint.monitor,
        'best_metric': end.best_metric,
        'best_step': end.best_step,
        'global_step': end.step,
        'weights_path': WEIGHTS,
        'config': dataclasses.asdict(training.config),
    }
    write_json(folder.path / SUMMARY, summary)


class Loop:
    """
    A training in progress.

    :param training: see run
    :param folder: see run
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
        self._predict = make_predict(training, self._end_evaluation_if_asked)

    def run(self) -> Position:
        """
        Train the epochs that are left.

        :return: where the training ended
        """
        if self._is_chief:
            self._keeper.forget_after(self._position)
            self._folder.forget_metrics_after(self._position.step)
        batches = self._training.distribution.iterate(self._make_batches)
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
            speed = {
                'train/images_per_s': pace.images_per_s,
                'train/data_wait_share': pace.data_wait_share,
            }
            self._events.add_scalars(step, {**losses, 'train/lr': rate, **speed})

    def _finish_epoch(self) -> None:
        """Evaluate when it is time, tell the result, keep the state."""
        config, position = self._training.config, self._position
        epoch = position.epochs_done + 1
        is_last = epoch == config.train.epochs
        try:
            metrics = self._measure(epoch) if self._is_chief else {}
        except _EvaluationEnded:
            metrics = {}
        self._stop_if_asked()
        if not self._is_chief:
            self._position = dataclasses.replace(position, epochs_done=epoch, loss_sums={})
            return
        best = metrics.get(config.checkpoint.monitor)
        is_best = best is not None and is_better(
            best, position.best_metric, mode=config.checkpoint.mode
        )
        self._position = dataclasses.replace(position, epochs_done=epoch, loss_sums={})
        if is_best:
            self._position = dataclasses.replace(
                self._position, best_metric=best, best_step=position.step
            )
        if is_best and config.checkpoint.save_best:
            self._keep_best()
        self._folder.add_metrics(position.step, {'epoch': epoch, **metrics})
        self._events.add_scalars(position.step, metrics)
        self._events.flush()
        if is_last:
            self._save_final_weights()
        every = config.checkpoint.save_every_epochs
        if is_last or (every and epoch % every == 0):
            self._keeper.save(self._position)

    def _measure(self, epoch: int) -> dict[str, float]:
        """Give the metrics of an epoch: means of the losses, and of the evaluation when due."""
        config, step = self._training.config, self._position.step
        pace = self._stopwatch.pace(0) if self._stopwatch.has_steps else None
        metrics = {
            tag: total / self._training.steps_per_epoch
            for tag, total in self._position.loss_sums.items()
        }
        metrics['train/lr'] = self._learning_rate(step - 1)
        if pace is not None:
            metrics['train/images_per_s'] = pace.images_per_s
            metrics['train/data_wait_share'] = pace.data_wait_share
        if epoch % config.train.eval_every == 0 or epoch == config.train.epochs:
            with self._averaged():
                metrics |= validate(self._training, self._predict)
                images = draw_examples(self._training, self._predict)
            self._events.add_images(step, 'val/inference_image', images)
        shown = (f'{tag} {value:.4g}' for tag, value in metrics.items() if '/AP/' not in tag)
        logger.info('epoch %d, step %d: %s', epoch, step, ', '.join(shown))
        return metrics

    def _keep_best(self) -> None:
        self._keeper.save_best(self._position)
        with self._averaged():
            self._keeper.save_best_weights()

    def _save_final_weights(self) -> None:
        with self._averaged():
            save_weights(self._training.model, self._folder.path / WEIGHTS)

    def _averaged(self) -> Any:
        average = self._training.average
        if average is None or not self._training.config.train.ema.eval_use_ema:
            return nullcontext()
        return average.applied()

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

    def _end_evaluation_if_asked(self) -> None:
        # The model holds the averages here: what is to be saved comes back first.
        if self._stop.signal is not None:
            raise _EvaluationEnded

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

    def _make_batches(self, shard_index: int, num_shards: int) -> TrainingBatches:
        config = self._training.config
        return training_batches(
            self._training.train_records,
            config.augmentation,
            size_hw=loading_size_hw(config),
            batch_size=config.train.batch_size,
            epochs=config.train.epochs,
            seed=config.train.seed,
            first_step=self._position.step,
            shard_index=shard_index,
            num_shards=num_shards,
            skips_unreadable=config.data.unreadable_images == 'skip',
            num_workers=config.data.num_workers,
            prefetch_batches=config.data.prefetch_batches,
        )


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
