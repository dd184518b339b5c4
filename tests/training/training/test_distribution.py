"""Several workers: real processes on this machine."""

import json
import os
import re
import signal
import socket
import subprocess
import sys

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.util import tensor_util

from ssd_training.errors import RunError
from ssd_training.runs.checkpoint_source import open_source
from ssd_training.training.distribution import open_distribution
from tests.patience import patience_s
from tests.training.conftest import TINY, UNCHANGED

# Twenty steps; frozen statistics, as each worker's part of a batch has others.
RECIPE = (
    *UNCHANGED,
    *('train.epochs=10', 'train.eval_every=10', 'train.batch_size=4', 'scheduler.warmup.steps=2'),
    *('input_size=[64, 64]', 'backbone.freeze_until=block_4', 'backbone.freeze_bn=true'),
    *('logging.log_interval_steps=1', 'train.ema.enabled=false'),
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


def start_pair(runs_root, data_root, *arguments):
    """Start two workers, each with half of the batch."""
    workers = [f'127.0.0.1:{free_port()}' for _ in range(2)]
    return [
        start(
            runs_root,
            data_root,
            'runtime.strategy=multi_worker',
            *arguments,
            tf_config={
                'cluster': {'worker': workers},
                'task': {'type': 'worker', 'index': index},
            },
        )
        for index in range(2)
    ]


def losses_of(runs_root):
    """Read the loss of each single step, in full."""
    (folder,) = runs_root.glob('*/logs/*/tensorboard')
    events = EventAccumulator(str(folder), size_guidance={'tensors': 0})
    events.Reload()
    found = events.Tensors('train/loss')
    assert [event.step for event in found] == list(range(1, NUM_STEPS + 1))
    return [float(tensor_util.make_ndarray(event.tensor_proto)) for event in found]


def assert_same_curve(one, other):
    """Float32 sums of a small network, in another order."""
    np.testing.assert_allclose(losses_of(one), losses_of(other), rtol=0, atol=1e-4)


@pytest.mark.slow
def test_two_workers_with_half_the_batch_follow_the_curve_of_one(tmp_path, data_root):
    pair = start_pair(tmp_path / 'two', data_root)
    for process in pair:
        _, stderr = process.communicate(timeout=patience_s(300))
        assert process.returncode == 0, stderr
    alone = start(tmp_path / 'one', data_root)
    _, stderr = alone.communicate(timeout=patience_s(300))
    assert alone.returncode == 0, stderr

    assert_same_curve(tmp_path / 'two', tmp_path / 'one')


@pytest.mark.slow
@pytest.mark.parametrize('index', [0, 1])
def test_a_signal_to_one_worker_stops_both_after_the_same_step(tmp_path, data_root, index):
    pair = start_pair(tmp_path, data_root, 'train.epochs=1000', 'train.eval_every=1000')
    for line in pair[0].stderr:
        if 'step 5/' in line:
            pair[index].send_signal(signal.SIGTERM)
            break

    try:
        ends = [process.communicate(timeout=patience_s(120))[1] for process in pair]
    finally:
        for process in pair:
            process.kill()

    assert [process.returncode for process in pair] == [128 + signal.SIGTERM] * 2, ends
    steps = [re.search(r': stopped at step (\d+), which is saved', end)[1] for end in ends]
    assert steps[0] == steps[1]
    assert 'SIGTERM: stopped' in ends[index]
    assert 'another worker received a signal: stopped' in ends[1 - index]
    (run,) = tmp_path.iterdir()
    assert open_source(str(run)).checkpoint.position.step == int(steps[0])
    assert json.loads((run / 'status.json').read_text())['status'] == 'failed'


MIRRORED = """
import sys
import tensorflow as tf
two = [tf.config.LogicalDeviceConfiguration()] * 2
tf.config.set_logical_device_configuration(tf.config.list_physical_devices('CPU')[0], two)
from ssd_training.train import main
for strategy in ('mirrored', 'none'):
    arguments = [*sys.argv[1:], f'runtime.strategy={strategy}', f'run.root={strategy}']
    if main(arguments):
        sys.exit(1)
"""


@pytest.mark.slow
def test_two_devices_of_one_machine_follow_the_curve_of_one(tmp_path, data_root):
    process = subprocess.run(
        [sys.executable, '-c', MIRRORED, '--experiment_path', str(TINY), *RECIPE],
        cwd=tmp_path,
        env=os.environ | {'DATA_ROOT': str(data_root)},
        capture_output=True,
        text=True,
    )

    assert process.returncode == 0, process.stderr
    (environment,) = tmp_path.glob('mirrored/*/logs/*/environment.json')
    assert json.loads(environment.read_text())['num_replicas'] == 2
    assert_same_curve(tmp_path / 'mirrored', tmp_path / 'none')


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
