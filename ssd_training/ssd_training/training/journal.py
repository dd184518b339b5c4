"""What a training writes down for people: its start, each epoch, its summary."""

from collections.abc import Mapping
import dataclasses
import logging
from typing import Any

from ssd_training.runs.checkpoints import Position
from ssd_training.runs.files import write_json
from ssd_training.runs.finished_run import hash_weights
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.layout import ENVIRONMENT, SUMMARY, WEIGHTS
from ssd_training.training.tensorboard import EventWriter
from ssd_training.training.trainer import Training

logger = logging.getLogger(__name__)


class Journal:
    """
    Writes history, summary and TensorBoard's curves of epochs.

    :param training: in progress
    :param folder: of the run
    :param events: for TensorBoard
    """

    def __init__(self, training: Training, folder: RunFolder, events: EventWriter) -> None:
        self._training = training
        self._folder = folder
        self._events = events

    def begin(self, position: Position, environment: Mapping[str, Any]) -> None:
        """
        Write what the training runs on; entries of steps that are trained again go.

        :param position: where it starts
        :param environment: plain values
        """
        training, folder = self._training, self._folder
        folder.forget_metrics_after(position.step)
        folder.logs.mkdir(parents=True, exist_ok=True)
        start = {
            'first_step': position.step,
            'seed': training.config.train.seed,
            'data_sha256': training.data_sha256,
            'num_replicas': training.distribution.num_replicas,
        }
        write_json(folder.logs / ENVIRONMENT, {**environment, **start})
        logger.info(
            '%s: starts at step %d of %d', folder.path, position.step, training.total_steps
        )

    def add_epoch(self, position: Position, metrics: Mapping[str, float]) -> None:
        """
        Add an epoch to log, history and TensorBoard.

        :param position: behind it
        :param metrics: of it
        """
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

    def end(self, position: Position, fingerprint: str) -> None:
        """
        Write the summary.

        :param position: where the training ended
        :param fingerprint: of the run
        """
        config = self._training.config
        summary = {
            'job_name': config.experiment.id,
            'fingerprint': fingerprint,
            'primary_metric': config.checkpoint.monitor,
            'best_metric': position.best_metric,
            'best_step': position.best_step,
            'global_step': position.step,
            'weights_path': WEIGHTS,
            'weights_sha256': hash_weights(self._folder.path),
            'config': dataclasses.asdict(config),
        }
        write_json(self._folder.path / SUMMARY, summary)
