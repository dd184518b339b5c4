"""What docker/training/docker-compose.yml starts under `local`, as processes of this machine."""

import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'docker/training'
# Two epochs of two steps, on shapes.
EXPERIMENT = ('experiments/smoke.yaml', 'data.shapes.num_train=64', 'data.shapes.num_val=8')
CHANGES = ('scheduler.warmup.steps=1', 'train.epochs=2', 'train.eval_every=2')


@pytest.fixture
def environment(bucket, tmp_path):
    """Take what .env.example says of the profile; one server here is S3 and DynamoDB."""
    text = (FOLDER / '.env.example').read_text()
    values = dict(re.findall(r'^# {3}([A-Z_0-9]+)=(.*)$', text, re.MULTILINE))
    for name in ('AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL_DYNAMODB'):
        values[name] = bucket.meta.endpoint_url
    rest = {name: value for name, value in os.environ.items() if name != 'AWS_ENDPOINT_URL'}
    folders = {'RUNS_ROOT': str(tmp_path / 'runs'), 'LOCAL_DIR': str(tmp_path / 'c')}
    return {**rest, **values, **folders}


@pytest.mark.slow
def test_the_services_of_the_local_profile_train_an_experiment_and_show_its_curves(
    environment, tmp_path
):
    def run(*words):
        done = subprocess.run(
            [sys.executable, '-m', *words],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            cwd=tmp_path,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert 'made' in run('ssd_training.ledger', 'create_table')
    assert 'new' in run('ssd_training.ledger', 'register', *EXPERIMENT, *CHANGES)
    assert 'success' in run('ssd_training.ledger', 'run')
    assert 'success' in run('ssd_training.ledger', 'list')
    run('ssd_training.curves', '--once')
    assert len(list((tmp_path / 'c').rglob('*tfevents*'))) == 1
