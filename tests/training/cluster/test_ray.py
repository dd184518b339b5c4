"""
The queue and distributed trainings on Ray clusters whose nodes are processes of this machine.

Each node has folders of its own, so that what goes on elsewhere goes on from what was uploaded.
"""

from contextlib import contextmanager, suppress
import json
import os
from pathlib import Path
import re
import signal
import subprocess
import sys

import pytest

ray = pytest.importorskip('ray', reason='Ray is not here (pip install "ssd_training[ray]")')
pytestmark = pytest.mark.slow

from ray.cluster_utils import Cluster  # noqa: E402

# Four epochs of four steps, on shapes.
EXPERIMENT = ('experiments/smoke.yaml', 'data.shapes.num_train=128', 'data.shapes.num_val=8')
CHANGES = ('scheduler.warmup.steps=1', 'train.epochs=4', 'train.eval_every=4')


def patiently(start, **options):
    """Try again: Ray gives a node 30 s to start, which is too little on a busy machine."""
    for _ in range(5):
        with suppress(Exception):
            return start(**options)
    return start(**options)


@pytest.fixture
def cluster(bucket, tmp_path, monkeypatch):
    """Start three nodes: the head, which has no room for workers, and two that have."""
    monkeypatch.setenv('RAY_USAGE_STATS_ENABLED', '0')
    monkeypatch.setenv('SSD_LEASE_S', '20')
    monkeypatch.setenv('CHECKPOINT_BUCKET', f'checkpoints/{tmp_path.name}')
    cluster = Cluster()
    patiently(cluster.add_node, num_cpus=0)
    for number in range(2):
        folder = {'RUNS_ROOT': f'{tmp_path}/node{number}'}
        patiently(cluster.add_node, num_cpus=1, env_vars=folder)
    yield cluster
    ray.shutdown()
    cluster.shutdown()


def command(cluster, *words):
    """Start a command of the cluster."""
    words = [sys.executable, '-m', 'ssd_training.cluster', *words, '--address', cluster.address]
    # Each node has its own.
    environment = {name: value for name, value in os.environ.items() if name != 'RUNS_ROOT'}
    return subprocess.Popen(words, env=environment)


def ledger(path, *words):
    words = [sys.executable, '-m', 'ssd_training.ledger', *words, '--ledger', str(path)]
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


def entries_in(path):
    return json.loads(ledger(path, 'list', '--json'))


def trainings():
    """Find the trainings that run, by the name of their node."""
    found = {}
    for path in Path('/proc').glob('[0-9]*'):
        try:
            words = (path / 'cmdline').read_bytes().decode().split('\0')
            variables = (path / 'environ').read_bytes().decode(errors='replace').split('\0')
        except OSError:
            continue
        if 'ssd_training.train' in words or 'ssd_training.ledger' in words:
            environment = dict(variable.partition('=')[::2] for variable in variables)
            name = environment.get('SSD_WORKER_NAME', '')
            if name.startswith('ray-'):
                found.setdefault(name, []).append(int(path.name))
    return found


def test_the_queue_is_worked_on_by_all_nodes(cluster, tmp_path):
    path = tmp_path / 'ledger.db'
    for seed in (1, 2):
        ledger(path, 'register', *EXPERIMENT, *CHANGES, f'train.seed={seed}')
    with command(cluster, 'queue', '--workers', '2', '--ledger', str(path)) as process:
        assert process.wait(900) == 0
    entries = entries_in(path)
    assert [entry['status'] for entry in entries] == ['success'] * 2
    assert len({entry['experiment_id'] + entry['fingerprint'] for entry in entries}) == 2


@contextmanager
def training_of(bucket, cluster, path, *, num_epochs):
    """Register an experiment and start a worker; go on once a checkpoint of it is uploaded."""
    length = (f'train.epochs={num_epochs}', f'train.eval_every={num_epochs}')
    ledger(path, 'register', *EXPERIMENT, *CHANGES, *length)
    with command(cluster, 'queue', '--workers', '1', '--ledger', str(path)) as process:
        while not any('/manifests/' in name for name in names_in(bucket, path.parent.name)):
            with suppress(subprocess.TimeoutExpired):
                pytest.fail(f'ended with {process.wait(1)}')
        yield process


def names_in(bucket, prefix):
    found = bucket.list_objects_v2(Bucket='checkpoints', Prefix=f'{prefix}/')
    return [stored['Key'] for stored in found.get('Contents', [])]


def test_an_experiment_of_a_node_that_is_lost_goes_on_elsewhere_from_its_last_upload(
    bucket, cluster, tmp_path
):
    path = tmp_path / 'ledger.db'
    with training_of(bucket, cluster, path, num_epochs=6) as process:
        (name,) = trainings()
        start = name.removeprefix('ray-')
        node = next(node for node in cluster.worker_nodes if node.node_id.startswith(start))
        number = int(node._ray_params.env_vars['RUNS_ROOT'][-1])
        # As when its machine loses power: nothing of it can save or say a word.
        lost = trainings()[name]
        for process_id in lost:
            os.kill(process_id, signal.SIGSTOP)
        cluster.remove_node(node, allow_graceful=False)
        for process_id in lost:
            os.kill(process_id, signal.SIGKILL)
        assert process.wait(1500) == 0
    (entry,) = entries_in(path)
    assert (entry['status'], entry['fencing_token']) == ('success', 2)
    (log,) = (tmp_path / f'node{1 - number}').rglob('training.log')
    (step,) = re.findall(r'starts at step (\d+) of', log.read_text())
    assert int(step) >= 4


def test_a_signal_has_the_trainings_save_and_give_their_experiments_back(
    bucket, cluster, tmp_path
):
    path = tmp_path / 'ledger.db'
    with training_of(bucket, cluster, path, num_epochs=200) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(200) == 130
    (entry,) = entries_in(path)
    assert entry['status'] == 'pending' and entry['total_steps'] >= 4


def test_one_training_runs_on_two_nodes(cluster, tmp_path):
    words = ['train', '--multi_worker', '2', '--experiment_path', *EXPERIMENT, *CHANGES]
    changes = [f'run.root={tmp_path}/shared', 'backbone.freeze_bn=true', 'train.epochs=1']
    changes += ['run.upload_to=null', 'train.eval_every=1']
    with command(cluster, *words, *changes) as process:
        assert process.wait(900) == 0
    (status,) = (tmp_path / 'shared').glob('smoke_*/status.json')
    assert json.loads(status.read_text())['status'] == 'success'


def test_a_cluster_that_is_too_small_is_one_sentence(cluster, tmp_path):
    words = ['train', '--multi_worker', '3', '--experiment_path', EXPERIMENT[0]]
    with command(cluster, *words) as process:
        assert process.wait(120) == 2
