"""What the training does on the GPU: it scores the engines, and trains in either precision."""

import json
import os
from pathlib import Path
import subprocess
import sys

from engines import FOLDER
from measuring import Found
import numpy as np

from ssd_detector.bundles.bundle import Bundle
from ssd_detector.errors import SsdDetectorError

ROOT = Path(__file__).parents[2]


def scores(bundle: Bundle, folder: Path) -> Found:
    """Score the engines of the parts before on a val split, where DATA_ROOT leads to one."""
    if 'DATA_ROOT' not in os.environ:
        raise SsdDetectorError('no pictures: set DATA_ROOT to the folder that has VOCdevkit')
    found: Found = {}
    engines = sorted((folder / FOLDER).glob('*.engine'))
    if not engines:
        raise SsdDetectorError('no engine was built before')
    for source in (bundle.path, *engines):
        command = [sys.executable, '-m', 'ssd_training.evaluate', source, '--json']
        command += ['--experiment_path', 'experiments/exp006_larger_input.yaml']
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            found[f'{source.name}, mAP'] = json.loads(done.stdout)['metrics']['mAP']
        except (ValueError, KeyError, TypeError):
            found[source.name] = f'not scored: {_last_line(done.stderr)}'
    return found


def training_float32(bundle: Bundle, folder: Path) -> Found:
    """Train in float32."""
    return _time_training([])


def training_float16(bundle: Bundle, folder: Path) -> Found:
    """Train in float16 where that is enough."""
    return _time_training(['train.amp.enabled=true', 'train.amp.policy=mixed_float16'])


def _time_training(overrides: list[str]) -> Found:
    import tensorflow as tf

    if not tf.config.list_physical_devices('GPU'):
        raise SsdDetectorError(f'TensorFlow {tf.__version__} sees no GPU')
    sys.path.insert(0, str(ROOT / 'tools/bench'))
    from train_step import load, make_batch, make_step, measure

    found: Found = {'tensorflow': tf.__version__}
    for size in (16, 64):
        config = load('exp002_ssdlite', f'train.batch_size={size}', *overrides)
        seconds = measure([make_step(config, make_batch(config))], num_steps=10)
        found[f'batch {size}, images/s'] = size / float(np.median(seconds))
    return found


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ['nothing was said'])[-1]
