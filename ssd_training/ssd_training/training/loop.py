"""The order of a training: step, keep, evaluate, tell, keep; and an end after any step."""

from collections.abc import Iterator, Mapping
import dataclasses
from typing import Any

from rich.console import Console

from ssd_training.errors import InterruptedRun
from ssd_training.runs.checkpoints import Position
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.signals import StopRequest
from ssd_training.runs.upload import Upload
from ssd_training.training.evaluator import Evaluator
from ssd_training.training.journal import Journal
from ssd_training.training.keeper import Keeper
from ssd_training.training.progress import open_display
from ssd_training.training.steps import Steps
from ssd_training.training.supervision import Supervision, UNWATCHED
from ssd_training.training.tensorboard import open_events
from ssd_training.training.trainer import make_batches, Training


def run(
    training: Training,
    folder: RunFolder,
    *,
    position: Position,
    fingerprint: str,
    console: Console,
    environment: Mapping[str, Any],
    stop: StopRequest,
    supervision: Supervision = UNWATCHED,
    upload: Upload | None = None,
) -> Position:
    """
    Train to the end; weights, metrics, checkpoints and log go to the run folder.

    Every process takes the steps; the chief alone evaluates and writes.

    :param training: built, and restored where it goes on
    :param folder: of the run, open (see RunFolder.running)
    :param position: where it starts
    :param fingerprint: of the run
    :param console: for the progress
    :param environment: what it runs on, to be recorded
    :param stop: the request of a signal; from here on it waits for the end of a step
    :param supervision: the chief asks it before each step, too
    :param upload: is handed the run folder behind each epoch and within long ones; of the chief
    :return: where it ended
    :raises InterruptedRun: when a signal came; the state is saved
    :raises RunError: when the loss is no number, or there is no room to write
    """
    config, is_chief = training.config, training.distribution.is_chief
    stop.defer()
    display = open_display(
        console, total_steps=training.total_steps, interval_steps=config.logging.log_interval_steps
    )
    events = open_events(folder.logs, enabled=is_chief and config.logging.tensorboard.enabled)
    with events as event_writer, display as shown:
        keeper = Keeper(training, folder, fingerprint, supervision)
        journal = Journal(training, folder, event_writer)
        evaluator = Evaluator(training, event_writer, stop)
        steps = Steps(training, shown, event_writer)
        if is_chief:
            keeper.forget_after(position)
            journal.begin(position, environment)
        batches = _open_batches(training, position)
        while position.epochs_done < config.train.epochs:
            while position.step < training.steps_per_epoch * (position.epochs_done + 1):
                _end_if_asked(training, keeper, position, stop)
                supervision.may_write()
                position = steps.take(batches, position)
                if is_chief:
                    _keep_within_epoch(keeper, upload, position)
            metrics = steps.mean_values(position)
            if is_chief and evaluator.is_due_after(position.epochs_done + 1):
                metrics |= evaluator.evaluate(position)
            # A signal also ends an evaluation; its epoch is not done then.
            _end_if_asked(training, keeper, position, stop)
            position = dataclasses.replace(
                position, epochs_done=position.epochs_done + 1, loss_sums={}
            )
            if is_chief:
                supervision.may_write()
                journal.add_epoch(position, metrics)
                position = keeper.keep_best(position, metrics)
                if keeper.is_due_in_epochs(position):
                    keeper.save(position)
            if upload is not None and position.epochs_done < config.train.epochs:
                upload.hand_over()
        if is_chief:
            keeper.save_final_weights()
            journal.end(position, fingerprint)
        return position


def _open_batches(training: Training, position: Position) -> Iterator[Any]:
    return training.distribution.iterate(
        lambda shard_index, num_shards: make_batches(
            training, first_step=position.step, shard_index=shard_index, num_shards=num_shards
        )
    )


def _keep_within_epoch(keeper: Keeper, upload: Upload | None, position: Position) -> None:
    is_sent = upload is not None and upload.is_due_after(position.step)
    if is_sent or keeper.is_due_in_steps(position):
        keeper.save(position)
    if upload is not None and is_sent:
        upload.hand_over()


def _end_if_asked(
    training: Training, keeper: Keeper, position: Position, stop: StopRequest
) -> None:
    """End the training with its state saved; with several workers, on all of them at once."""
    if not training.distribution.agree(stop.signal is not None):
        return
    if training.distribution.is_chief:
        keeper.save(position)
    raise InterruptedRun(
        stop.signal.value if stop.signal else 15,
        f'{stop.reason}: stopped at step {position.step}, which is saved; go on with --resume',
        is_preemption=stop.notice is not None,
    )
