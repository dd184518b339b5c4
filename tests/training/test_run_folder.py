"""The run folder."""

import json

import pytest

from ssd_training.engine.run_folder import read_finished_run, RunFolder
from ssd_training.errors import RunError


@pytest.fixture
def config(load, tmp_path):
    return load('tiny', f'run.root={tmp_path / "runs"}')


@pytest.fixture
def folder(config):
    return RunFolder.create(config, '0123456789ab', {'git_commit': None})


def status_of(folder):
    return json.loads((folder.path / 'status.json').read_text())


def test_a_new_folder_tells_what_will_be_run(folder):
    assert folder.path.name == 'tiny_0123456789ab'
    assert status_of(folder)['status'] == 'initialized'
    assert json.loads((folder.path / 'config.json').read_text())['train']['epochs'] == 2
    fingerprint = json.loads((folder.path / 'fingerprint.json').read_text())
    assert fingerprint['fingerprint'] == '0123456789ab'


def test_the_same_recipe_again_is_an_error_and_touches_nothing(config, folder):
    with folder.running():
        folder.add_metrics(1, {'train/loss': 1.0})
    before = {path: path.read_bytes() for path in folder.path.rglob('*.json')}

    with pytest.raises(RunError, match=r'tiny_0123456789ab: .*status: success.*move or delete'):
        RunFolder.create(config, '0123456789ab', {})

    assert {path: path.read_bytes() for path in folder.path.rglob('*.json')} == before


@pytest.mark.parametrize('error', [ValueError('bad luck'), KeyboardInterrupt()])
def test_whatever_ends_a_run_its_status_is_failed_with_the_reason(folder, error):
    with pytest.raises(type(error)), folder.running():
        assert status_of(folder)['status'] == 'running'
        raise error

    assert status_of(folder)['status'] == 'failed'
    assert status_of(folder)['reason'] in ('bad luck', 'KeyboardInterrupt')


def test_metrics_are_appended(folder):
    folder.add_metrics(5, {'train/loss': 2.0})
    folder.add_metrics(10, {'train/loss': 1.0})

    history = json.loads((folder.path / 'metric_history.json').read_text())
    assert [(entry['step'], entry['train/loss']) for entry in history] == [(5, 2.0), (10, 1.0)]


def test_a_finished_run_gives_back_the_configuration_that_was_trained(config, folder):
    with folder.running():
        folder.add_metrics(10, {'train/loss': 1.0, 'epoch': 2})

    run = read_finished_run(folder.path)

    assert run.config == config
    assert run.metrics == {'train/loss': 1.0}


def test_a_run_that_did_not_succeed_is_not_used(folder, tmp_path):
    with pytest.raises(RunError, match='status is initialized; only a run with status success'):
        read_finished_run(folder.path)
    with pytest.raises(RunError, match='status is unknown'):
        read_finished_run(tmp_path)
