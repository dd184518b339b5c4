"""The run folder."""

from datetime import datetime, timedelta, timezone
import json
import logging
import time

import pytest

from ssd_training.errors import LeaseLostError, RunError
from ssd_training.runs.checkpoint_source import find_run
from ssd_training.runs.finished_run import read_finished_run
from ssd_training.runs.folder import RunFolder


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
    with pytest.raises(ValueError), folder.running():
        folder.add_metrics(1, {'train/loss': 1.0})
        raise ValueError('bad luck')
    before = {path: path.read_bytes() for path in folder.path.rglob('*.json')}

    with pytest.raises(RunError, match=r'tiny_0123456789ab: .*status: failed.*--resume'):
        RunFolder.create(config, '0123456789ab', {})

    assert {path: path.read_bytes() for path in folder.path.rglob('*.json')} == before


def test_a_finished_recipe_names_ways_on_and_not_resume(config, folder):
    with folder.running():
        folder.add_metrics(1, {'train/loss': 1.0})

    with pytest.raises(RunError) as caught:
        RunFolder.create(config, '0123456789ab', {})
    with pytest.raises(RunError) as resumed:
        find_run(folder.path.parent, '0123456789ab', {})

    (finding,) = caught.value.findings
    assert resumed.value.findings == (f'--resume: {finding}',)
    assert f'train.epochs=N --run_from {folder.path}' in finding
    assert f'backbone.weights={folder.path}' in finding
    assert '--resume' not in finding


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


def test_metrics_of_steps_that_are_trained_again_are_replaced(folder):
    for step in (5, 10, 15):
        folder.add_metrics(step, {'train/loss': float(step)})

    again = RunFolder.open(folder.path, {})
    again.forget_metrics_after(5)
    again.add_metrics(10, {'train/loss': 0.5})

    history = json.loads((folder.path / 'metric_history.json').read_text())
    assert [(entry['step'], entry['train/loss']) for entry in history] == [(5, 5.0), (10, 0.5)]


def test_a_folder_goes_to_the_later_claim_and_who_lost_it_leaves_its_status_alone(folder):
    """As where a process was stopped for longer than its lease, with the lock in its hands."""
    with pytest.raises(LeaseLostError), RunFolder(folder.path, 1).running():
        with pytest.raises(RunError, match='another process is training there'):
            with RunFolder(folder.path, 1).running():
                pass
        with RunFolder(folder.path, 2).running():
            with pytest.raises(RunError, match='another process'):
                with RunFolder(folder.path, 1).running():
                    pass
        raise LeaseLostError(['token 1 was lost'])
    assert status_of(folder)['status'] == 'success'


def test_a_process_without_a_claim_loses_its_folder_to_nobody(folder):
    with folder.running(), pytest.raises(RunError, match='another process is training there'):
        with RunFolder(folder.path, 2).running():
            pass


def test_two_processes_never_train_in_one_folder(folder):
    """The lock belongs to the open file: a second one in this process meets it, too."""
    with folder.running():
        with pytest.raises(RunError, match='another process is training there'):
            with RunFolder(folder.path).running():
                pass

    assert status_of(folder)['status'] == 'success'


def test_times_are_utc(folder, monkeypatch):
    monkeypatch.setenv('TZ', 'Asia/Tokyo')
    time.tzset()
    try:
        with folder.running():
            logging.getLogger('ssd_training').warning('now')
        line = (folder.logs / 'training.log').read_text()
        logged = datetime.strptime(line[:19], '%Y-%m-%d %H:%M:%S').replace(tzinfo=timezone.utc)
        times = [logged, datetime.fromisoformat(status_of(folder)['updated_at'])]
        started = datetime.strptime(folder.logs.name, '%Y%m%d_%H%M%S_%f')
        times.append(started.replace(tzinfo=timezone.utc))
    finally:
        monkeypatch.undo()
        time.tzset()
    for moment in times:
        assert abs(datetime.now(timezone.utc) - moment) < timedelta(minutes=5)


def test_a_full_disk_at_the_end_does_not_hide_what_ended_the_run(folder):
    with pytest.raises(ValueError, match='bad luck'), folder.running():
        (folder.path / '.status.json.partial').symlink_to('/dev/full')
        raise ValueError('bad luck')

    assert 'No space left on device' in (folder.logs / 'training.log').read_text()


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
