"""Several workers: real processes on this machine."""

import json
import os
import socket
import subprocess
import sys

import numpy as np
import pytest

from ssd_training.engine.distribution import open_distribution
from ssd_training.errors import RunError
from tests.training.conftest import TINY

# Twenty steps; frozen statistics, as each worker's part of a batch has others.
RECIPE = (
    *('train.epochs=10', 'train.eval_every=10', 'train.batch_size=4', 'scheduler.warmup.steps=2'),
    *('backbone.freeze_until=block_12', 'backbone.freeze_bn=true'),
    'logging.log_interval_steps=1',
)
NUM_STEPS = 20


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def start(runs_root, data_root, *arguments, tf_config=None):
    environment = {'DATA_ROOT': str(data_root), 'RUNS_ROOT': str(runs_root)}
    if tf_config is not None:
        environment['TF_CONFIG'] = json.dumps(tf_config)
    return subprocess.Popen(
        [
            *(sys.executable, '-m', 'ssd_training.train'),
            *('--experiment_path', str(TINY), *RECIPE, *arguments),
        ],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def losses_of(runs_root):
    (path,) = runs_root.glob('*/metric_history.json')
    return [entry['train/loss'] for entry in json.loads(path.read_text())]


@pytest.mark.slow
def test_two_workers_with_half_the_batch_follow_the_curve_of_one(tmp_path, data_root):
    workers = [f'127.0.0.1:{free_port()}' for _ in range(2)]
    pair = [
        start(
            tmp_path / 'two',
            data_root,
            'runtime.strategy=multi_worker',
            tf_config={
                'cluster': {'worker': workers},
                'task': {'type': 'worker', 'index': index},
            },
        )
        for index in range(2)
    ]
    for process in pair:
        _, stderr = process.communicate(timeout=300)
        assert process.returncode == 0, stderr
    alone = start(tmp_path / 'one', data_root)
    _, stderr = alone.communicate(timeout=300)
    assert alone.returncode == 0, stderr

    # Means of two steps each, and those of a small network's float32 sums in another order.
    np.testing.assert_allclose(losses_of(tmp_path / 'two'), losses_of(tmp_path / 'one'), atol=1e-4)


@pytest.mark.parametrize(
    ('strategy', 'tf_config', 'message'),
    [
        ('multi_worker', None, 'needs one such as {"cluster"'),
        ('multi_worker', '{"cluster": {"worker": ["a:1"]}}', 'needs one such as {"cluster"'),
        ('none', '{"cluster": {}}', 'TF_CONFIG is set, but runtime.strategy is none'),
    ],
)
def test_a_cluster_that_is_not_described_well_is_an_error(load, strategy, tf_config, message):
    settings = load('tiny', f'runtime.strategy={strategy}', 'backbone.freeze_bn=true').runtime
    environment = {} if tf_config is None else {'TF_CONFIG': tf_config}

    with pytest.raises(RunError, match=message):
        open_distribution(settings, environment)
