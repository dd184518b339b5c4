"""A run folder of some kilobytes, and how a training goes on in it."""

import json
from pathlib import Path

import numpy as np

from ssd_training.runs.checkpoints import Checkpoint, Position, prune, write_checkpoint

FINGERPRINT = 'f' * 12


def make_run(path: Path, *steps: int) -> Path:
    """
    Make a run folder.

    :param path: of the folder
    :param steps: with a checkpoint each
    :return: the path
    """
    (path / 'logs/start/tensorboard').mkdir(parents=True)
    (path / 'weights').mkdir()
    (path / 'status.json').write_text('{"status": "running"}')
    (path / 'config.json').write_text('{}')
    (path / '.lock').write_text('')
    for step in steps:
        train_to(path, step)
    return path


def train_to(path: Path, step: int, *, keep: int = 2) -> None:
    """
    Leave what an epoch of ten steps leaves.

    :param path: of the run folder
    :param step: that is done
    :param keep: checkpoints
    """
    arrays = {'model/kernel': np.full(4, step, np.float32)}
    position = Position(step, step // 10, best_metric=0.5, best_step=10)
    checkpoint = Checkpoint(position, {'data.labels': ['a']}, FINGERPRINT, 'd' * 64, arrays)
    write_checkpoint(path / 'checkpoints/last', checkpoint)
    prune(path / 'checkpoints/last', keep=keep)
    if step == 10:
        write_checkpoint(path / 'checkpoints/best', checkpoint)
        (path / 'weights/best_weights.weights.h5').write_bytes(b'best')
    history = [
        {'step': done, 'timestamp': '', 'epoch': done // 10, 'train/loss': 1 / done}
        for done in range(10, step + 1, 10)
    ]
    aside = path / 'metric_history.json.new'
    aside.write_text(json.dumps(history))
    aside.replace(path / 'metric_history.json')
    for name in ('training.log', 'tensorboard/events.out.tfevents.1'):
        with (path / 'logs/start' / name).open('a') as log:
            log.write(f'step {step}\n')
