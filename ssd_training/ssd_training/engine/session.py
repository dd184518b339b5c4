"""One start of a training, from the configuration to the summary."""

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass
import logging
from pathlib import Path
import sys
from typing import Any

from rich.console import Console
from rich.logging import RichHandler

from ssd_training.data.pipeline import training_batches
from ssd_training.engine import loop
from ssd_training.engine.checkpoint_source import find_run, open_source
from ssd_training.engine.checkpoints import Checkpoint, Position
from ssd_training.engine.environment import describe_environment
from ssd_training.engine.run_folder import CHECKPOINTS, run_path, RunFolder
from ssd_training.engine.starting import check_architecture, go_on
from ssd_training.engine.train_step import loading_size_hw
from ssd_training.engine.trainer import prepare, Training
from ssd_training.errors import RunError
from ssd_training.experiments.run_schema import LoggingSettings
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.targets.matching import GroundTruthBatch

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Start:
    """
    What the command line says about a start.

    :param resume: go on with the newest run of this recipe
    :param run_from: where a checkpoint is, or None
    :param checkpoint_step: of it, or None for the newest
    :param git_commit: as given
    :param arguments: all of them, to be recorded
    """

    resume: bool = False
    run_from: str | None = None
    checkpoint_step: int | None = None
    git_commit: str | None = None
    arguments: Mapping[str, Any] = dataclasses.field(default_factory=dict)


def open_console(settings: LoggingSettings, *, debug: bool = False) -> Console:
    """
    Set up logging to stderr.

    :param settings: the section `logging`
    :param debug: log everything
    :return: the console of the progress
    """
    console = Console(stderr=True, quiet=not settings.console.enabled)
    handler: logging.Handler
    if console.is_terminal:
        # Its lines stand above the bar.
        handler = RichHandler(console=console, show_path=False)
    else:
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(logging.Formatter('%(asctime)s %(message)s'))
    package_logger = logging.getLogger('ssd_training')
    package_logger.setLevel(logging.DEBUG if debug else settings.level.upper())
    if settings.console.enabled:
        package_logger.addHandler(handler)
    package_logger.propagate = False
    return console


def check(config: ExperimentConfig, fingerprint: str, start: Start) -> None:
    """
    Build everything, restore what is to be restored, write nothing.

    :param config: the experiment
    :param fingerprint: 12 hex digits
    :param start: of the command line
    """
    _, checkpoint = _find(config, fingerprint, start)
    training = prepare(config)
    if checkpoint is not None:
        go_on(training, checkpoint, fingerprint=fingerprint)


def train(
    config: ExperimentConfig, fingerprint: str, start: Start, *, console: Console
) -> dict[str, Any]:
    """
    Train to the end.

    :param config: the experiment
    :param fingerprint: 12 hex digits
    :param start: of the command line
    :param console: for the progress
    :return: the summary, with the path of the run folder
    :raises RunError: see loop.run
    """
    path, checkpoint = _find(config, fingerprint, start)
    training = prepare(config)
    position = Position(seed=config.train.seed)
    if checkpoint is not None:
        position = go_on(training, checkpoint, fingerprint=fingerprint)
    folder = _open_folder(training, path, fingerprint, start)
    end = loop.run(
        training,
        folder,
        position=position,
        fingerprint=fingerprint,
        console=console,
        environment=describe_environment(start.git_commit),
    )
    return {
        'run': str(folder.path),
        'status': 'success',
        'step': end.step,
        'best_metric': end.best_metric,
        'best_step': end.best_step,
    }


def overfit(config: ExperimentConfig, *, num_steps: int) -> dict[str, Any]:
    """
    Train on the first batch alone: what can't learn it by heart has a fault.

    :param config: the experiment
    :param num_steps: steps
    :return: first_loss, last_loss and steps
    :raises RunError: when the loss did not fall by half
    """
    training = prepare(config)
    batches = training_batches(
        training.train_records,
        config.augmentation,
        size_hw=loading_size_hw(config),
        batch_size=config.train.batch_size,
        epochs=1,
        seed=config.train.seed,
    )
    images, *ground_truths = next(iter(batches))
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
) -> tuple[Path | None, Checkpoint | None]:
    """Find the run folder and the checkpoint that a start goes on with."""
    path = None
    if start.resume:
        path = find_run(Path(config.run.root), fingerprint, dataclasses.asdict(config))
        if not (path / CHECKPOINTS).is_dir():
            logger.warning('%s: ended before its first checkpoint; starts at step 0', path)
            return path, None
    elif start.run_from is None:
        return None, None
    checkpoint = open_source(str(path or start.run_from), start.checkpoint_step)
    check_architecture(checkpoint, config)
    return path, checkpoint


def _open_folder(
    training: Training, path: Path | None, fingerprint: str, start: Start
) -> RunFolder:
    config = training.config
    if not training.distribution.is_chief:
        return RunFolder(path or run_path(config, fingerprint))
    if path is not None:
        return RunFolder.open(path, start.arguments)
    return RunFolder.create(config, fingerprint, start.arguments)
