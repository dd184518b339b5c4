"""What --resume goes on with: the run folder here, or its copy elsewhere."""

import dataclasses
import json

import pytest

from ssd_training.errors import RunError
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.resume import find_to_resume
from ssd_training.runs.upload import Upload
from tests.training.small_run import FINGERPRINT, train_to


@pytest.fixture
def config(load, tmp_path):
    return load('tiny', f'run.root={tmp_path}/runs', f'run.upload_to=file://{tmp_path}/copies')


@pytest.fixture
def run(config):
    """Make a run with a checkpoint of step 10, here and elsewhere."""
    folder = RunFolder.create(config, FINGERPRINT, {})
    (folder.path / 'logs/start/tensorboard').mkdir(parents=True)
    train_to(folder.path, 10)
    copy(config, folder.path)
    return folder.path


def copy(config, run):
    with Upload(run, config.run.upload_to, keep=3).at_the_end():
        pass


def on_another_machine(config, tmp_path):
    return dataclasses.replace(
        config, run=dataclasses.replace(config.run, root=str(tmp_path / 'other'))
    )


def test_the_run_folder_here_is_gone_on_with_while_no_copy_is_further(config, run):
    train_to(run, 20)

    path, source = find_to_resume(config, FINGERPRINT, None)

    assert (path, source.checkpoint.position.step) == (run, 20)
    assert source.run.name == str(run)


def test_a_copy_is_gone_on_with_on_a_machine_that_has_nothing(config, run, tmp_path):
    config = on_another_machine(config, tmp_path)

    path, source = find_to_resume(config, FINGERPRINT, None)

    assert path is None
    assert source.checkpoint.position.step == 10
    assert source.run.name == f'file://{tmp_path}/copies/{run.name}'


def test_a_copy_that_another_machine_brought_further_is_gone_on_with(config, run):
    """The first machine comes back: what it has is older than what the second has sent."""
    train_to(run, 20)
    copy(config, run)
    (run / 'checkpoints/last/ckpt-20.npz').unlink()

    path, source = find_to_resume(config, FINGERPRINT, None)

    assert (path, source.checkpoint.position.step) == (run, 20)
    assert source.run.name != str(run)
    assert find_to_resume(config, FINGERPRINT, 10)[1].run.name == str(run)


def test_a_run_that_is_finished_elsewhere_is_not_trained_again(config, run, tmp_path):
    status = json.loads((run / 'status.json').read_text()) | {'status': 'success'}
    (run / 'status.json').write_text(json.dumps(status))
    copy(config, run)

    with pytest.raises(RunError, match='--resume: file://.*: this very recipe is finished'):
        find_to_resume(on_another_machine(config, tmp_path), FINGERPRINT, None)


def test_without_a_run_here_or_elsewhere_it_is_an_error(config):
    with pytest.raises(RunError, match='--resume: .*has no run of aaaaaaaaaaaa'):
        find_to_resume(config, 'a' * 12, None)
