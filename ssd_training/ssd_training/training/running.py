"""A training that is built, from its first step to its summary."""

from collections.abc import Mapping
import dataclasses
import logging
from typing import Any

from rich.console import Console

from ssd_training.runs.checkpoints import Position
from ssd_training.runs.files import write_json
from ssd_training.runs.folder import ENVIRONMENT, RunFolder, SUMMARY, WEIGHTS
from ssd_training.runs.signals import StopRequest
from ssd_training.training.keeper import Keeper
from ssd_training.training.loop import Loop
from ssd_training.training.progress import open_display
from ssd_training.training.tensorboard import open_events
from ssd_training.training.trainer import Training

logger = logging.getLogger(__name__)


def run(
    training: Training,
    folder: RunFolder,
    *,
    position: Position,
    fingerprint: str,
    console: Console,
    environment: Mapping[str, Any],
    stop: StopRequest,
) -> Position:
    """
    Train to the end; weights, metrics, checkpoints and log go to the run folder.

    What is evaluated and kept is the moving average, where there is one. Of several workers the
    first one writes.

    :param training: built, and restored where it goes on
    :param folder: of the run, open (see RunFolder.running)
    :param position: where it starts
    :param fingerprint: of the run
    :param console: for the progress
    :param environment: what it runs on, to be recorded
    :param stop: the request of a signal; from here on it waits for the end of a step
    :return: where it ended
    :raises RunError: see Loop.run
    """
    config = training.config
    is_chief = training.distribution.is_chief
    stop.defer()
    display = open_display(
        console, total_steps=training.total_steps, interval_steps=config.logging.log_interval_steps
    )
    events = open_events(folder.logs, enabled=is_chief and config.logging.tensorboard.enabled)
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
        if not is_chief:
            return loop.run()
        _record_start(training, folder, position, environment)
        end = loop.run()
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
