"""One start of a training, from the configuration to the summary."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, nullcontext
import dataclasses
from dataclasses import dataclass
import logging
import os
from pathlib import Path
import sys
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from ssd_detector.printable import LineFormatter
from ssd_training.errors import RunError
from ssd_training.experiments.run_schema import (
    CheckpointSettings,
    LoggingSettings,
    RunSettings,
)
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.runs.checkpoint_source import open_source, Source
from ssd_training.runs.checkpoints import Position
from ssd_training.runs.environment import describe_environment
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.layout import run_path, was_trained_in
from ssd_training.runs.resume import find_to_resume, list_kept_steps
from ssd_training.runs.signals import StopRequest
from ssd_training.runs.spot_notice import watch_spot_notices
from ssd_training.runs.upload import Upload
from ssd_training.targets.prior_matching import GroundTruthBatch
from ssd_training.training.distribution import find_worker_index
from ssd_training.training.loop import run
from ssd_training.training.resuming import check_architecture, check_start, go_on, take_over
from ssd_training.training.supervision import Supervision, UNWATCHED
from ssd_training.training.trainer import make_batches, prepare, Training

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """
    What the command line says about a start.

    :param resume: go on with the newest run of this recipe
    :param run_from: where a checkpoint is, or None
    :param checkpoint_step: of it, or None for the newest
    :param stays_in_folder: go on in the folder of this very recipe, if something was trained there
    :param git_commit: as given
    :param arguments: all of them, to be recorded
    """

    resume: bool = False
    run_from: str | None = None
    checkpoint_step: int | None = None
    stays_in_folder: bool = False
    git_commit: str | None = None
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)


@contextmanager
def open_console(settings: LoggingSettings, *, debug: bool = False) -> Iterator[Console]:
    """
    Log to stderr while a block runs.

    :param settings: the section `logging`
    :param debug: log everything
    :return: a context: the console of the progress
    """
    console = Console(stderr=True, quiet=not settings.console.enabled)
    handler: logging.Handler
    if console.is_terminal:
        # Its lines stand above the bar.
        handler = RichHandler(console=console, show_path=False)
        handler.setFormatter(LineFormatter('%(message)s'))
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(LineFormatter('%(asctime)s %(message)s'))
    handler.addFilter(lambda record: not hasattr(record, 'is_last_word'))
    package_logger = logging.getLogger('ssd_training')
    before = package_logger.level, package_logger.propagate
    package_logger.setLevel(logging.DEBUG if debug else settings.level.upper())
    if settings.console.enabled:
        package_logger.addHandler(handler)
    package_logger.propagate = False
    try:
        yield console
    finally:
        package_logger.removeHandler(handler)
        package_logger.level, package_logger.propagate = before


def check(config: ExperimentConfig, fingerprint: str, start: Start) -> None:
    """
    Build everything, restore what is to be restored, write nothing.

    :param config: the experiment
    :param fingerprint: 12 hex digits
    :param start: of the command line
    """
    _, source = _find(config, fingerprint, start)
    training = prepare(config)
    if source is not None:
        go_on(training, source.checkpoint, fingerprint=fingerprint)


def train(
    config: ExperimentConfig,
    fingerprint: str,
    start: Start,
    *,
    console: Console,
    stop: StopRequest,
    supervision: Supervision = UNWATCHED,
) -> dict[str, Any]:
    """
    Train to the end.

    :param config: the experiment
    :param fingerprint: 12 hex digits
    :param start: of the command line
    :param console: for the progress
    :param stop: the request of a signal
    :param supervision: where the training asks and tells
    :return: the summary, with the path of the run folder
    :raises RunError: see Loop.run
    """
    path, source = _find(config, fingerprint, start)
    is_chief = find_worker_index(config.runtime, os.environ) == 0
    upload = None
    if is_chief:
        folder = _open_folder(config, path, fingerprint, start, supervision.fencing_token)
        upload = _open_upload(folder, config.run, config.checkpoint, supervision)
    else:
        folder = RunFolder(path or run_path(config.run.root, config.experiment.id, fingerprint))
    with (
        watch_spot_notices(stop, os.environ),
        _kept(folder, upload, config.logging) if is_chief else nullcontext(),
    ):
        training = prepare(config)
        position = Position(seed=config.train.seed)
        if source is not None:
            position = go_on(training, source.checkpoint, fingerprint=fingerprint)
            is_same_recipe = source.checkpoint.fingerprint == fingerprint
            is_elsewhere = source.run is None or source.run.name != str(path)
            if is_same_recipe and is_elsewhere and is_chief:
                position = take_over(training, source, position, folder)
        end = run(
            training,
            folder,
            position=position,
            fingerprint=fingerprint,
            console=console,
            environment=describe_environment(start.git_commit),
            stop=stop,
            supervision=supervision,
            upload=upload,
        )
    return {
        'run': str(folder.path),
        'status': 'success',
        'step': end.step,
        'best_metric': end.best_metric,
        'best_step': end.best_step,
    }


def overfit(training: Training, *, num_steps: int) -> dict[str, Any]:
    """
    Train on the first batch alone: what can't learn it by heart has a fault.

    :param training: from prepare
    :param num_steps: steps
    :return: first_loss, last_loss and steps
    :raises RunError: when the loss did not fall by half
    """
    images, *ground_truths = next(iter(make_batches(training)))
    losses = []
    for _ in range(num_steps):
        losses.append(float(training.step(images, GroundTruthBatch(*ground_truths)).total))
    if not losses[-1] < 0.5 * losses[0]:
        raise RunError(
            [
                f'--overfit_batch: the loss went from {losses[0]:.4f} to {losses[-1]:.4f} in '
                f'{num_steps} steps, not below half; give more steps, or look at the data '
                f'(python -m ssd_training.data preview) and the learning rate'
            ]
        )
    return {'first_loss': losses[0], 'last_loss': losses[-1], 'steps': num_steps}


def _find(
    config: ExperimentConfig, fingerprint: str, start: Start
) -> tuple[Path | None, Source | None]:
    """Find the run folder and the checkpoint that a start goes on with."""
    if start.resume:
        path, source = find_to_resume(config, fingerprint, start.checkpoint_step)
        if source is not None:
            check_architecture(source.checkpoint, config.architecture)
        return path, source
    folder = run_path(config.run.root, config.experiment.id, fingerprint)
    path = folder if start.stays_in_folder and was_trained_in(folder) else None
    location = start.run_from
    if location is None and path is not None and list_kept_steps(path):
        location = str(path)
    if location is None:
        return path, None
    source = open_source(location, start.checkpoint_step)
    check_fit = check_architecture if path else check_start
    check_fit(source.checkpoint, config.architecture)
    return path, source


def _open_folder(
    config: ExperimentConfig, path: Path | None, fingerprint: str, start: Start, token: int | None
) -> RunFolder:
    if path is not None:
        return RunFolder.open(path, start.arguments, fencing_token=token)
    return RunFolder.create(config, fingerprint, start.arguments, fencing_token=token)


@contextmanager
def _kept(folder: RunFolder, upload: Upload | None, settings: LoggingSettings) -> Iterator[None]:
    """Keep lock, status and log of a run folder, and its copy elsewhere, while the block runs."""
    with (
        upload.at_the_end() if upload else nullcontext(),
        folder.running(logs_to_file=settings.file.enabled),
    ):
        if upload:
            upload.send_start()
        yield


def _open_upload(
    folder: RunFolder, run: RunSettings, checkpoint: CheckpointSettings, supervision: Supervision
) -> Upload | None:
    if run.upload_to is None:
        return None
    return Upload(
        folder.path,
        run.upload_to,
        keep=checkpoint.keep_last_k,
        every_steps=run.upload_every_steps,
        may_write=supervision.may_write,
        fencing_token=supervision.fencing_token,
    )
