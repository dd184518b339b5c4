"""What is deployed: a run, weights or a checkpoint, and whether the deploy config is for it."""

import dataclasses
import json

import pytest

from ssd_detector.errors import ConfigError
from ssd_training.convert import main as convert_command
from ssd_training.deploy import main as deploy_command
from ssd_training.deployment.trained_model import find_trained_model, load_deploy_config
from ssd_training.errors import WeightsError
from ssd_training.export import main as export_command
from ssd_training.runs.fingerprint import compute_fingerprint
from ssd_training.train import CONFIG_ROOT
from tests.training.deploy_config import TINY, write_deploy_config
from tests.training.deploying import make_build


def write_finished_run(path, config):
    """Write what a finished training leaves, as far as the export looks at it."""
    path.mkdir()
    contents = {
        'config.json': dataclasses.asdict(config),
        'status.json': {'status': 'success'},
        'fingerprint.json': {'fingerprint': '0123456789ab', 'created_at': '2026-01-01'},
        'metric_history.json': [{'step': 2, 'timestamp': '', 'val/voc_ap_50/mAP': 0.25}],
    }
    for name, content in contents.items():
        (path / name).write_text(json.dumps(content, default=str))
    return path


def test_a_run_with_other_classes_priors_or_size_than_the_config_names_each(load, tmp_path):
    changes = ('data.labels=[red, green]', 'priors.min_scale=0.1', 'input_size=[128, 128]')
    run = write_finished_run(tmp_path / 'run', load('tiny', *changes))
    build = make_build(tmp_path)

    with pytest.raises(ConfigError) as error:
        find_trained_model(run, build.deploy, CONFIG_ROOT, {})

    text = str(error.value)
    assert "data.labels: is ['red', 'green'], this experiment has ['red', 'green', 'blue']" in text
    assert 'priors.min_scale: is 0.1' in text and 'input_size: is [128, 128]' in text
    assert 'name the experiment that was trained' in text


def test_a_run_of_the_configs_experiment_is_taken(load, tmp_path):
    run = write_finished_run(tmp_path / 'run', load('tiny', 'train.epochs=9'))

    source = find_trained_model(run, make_build(tmp_path).deploy, CONFIG_ROOT, {})

    assert (source.config.train.epochs, source.fingerprint) == (9, '0123456789ab')


def test_weights_may_be_named_without_their_suffix(tmp_path):
    """Fault 76: the README's example names a prefix, which only a folder passed for."""
    source = find_trained_model(tmp_path / 'final', make_build(tmp_path).deploy, CONFIG_ROOT, {})

    assert source.weights_path == tmp_path / 'final.weights.h5'


def test_an_archive_that_is_not_there_is_named_as_it_was_given(tmp_path):
    with pytest.raises(WeightsError, match='--checkpoint: .*/none.npz: no such file; check the'):
        find_trained_model(tmp_path / 'none.npz', make_build(tmp_path).deploy, CONFIG_ROOT, {})


@pytest.mark.parametrize('command', [export_command, deploy_command, convert_command])
def test_print_config_shows_it_and_succeeds_without_a_checkpoint(command, tmp_path, capsys):
    """Fault 76: it ended with 1."""
    path = write_deploy_config(tmp_path / 'deploy.yaml')
    checkpoint = [] if command is convert_command else ['--checkpoint', 'nowhere']

    assert command(['--deploy_config', str(path), '--print_config', *checkpoint]) == 0
    assert 'max_detections: 20' in capsys.readouterr().out


def test_an_experiment_stands_beside_its_deploy_config_whatever_the_folder(tmp_path, monkeypatch):
    own = tmp_path / 'own'
    own.mkdir()
    (own / 'experiment.yaml').write_text(TINY.read_text())
    path = write_deploy_config(own / 'deploy.yaml')
    path.write_text(path.read_text().replace(str(TINY), 'experiment.yaml'))
    monkeypatch.chdir(tmp_path)

    config, merged = load_deploy_config(path, CONFIG_ROOT, {})

    # In full, so that who has the bundle finds it from any folder.
    assert config.experiment_path == merged.tree['experiment_path']
    assert config.experiment_path == str(own / 'experiment.yaml')


def test_an_experiment_that_is_shipped_keeps_its_name(tmp_path):
    path = CONFIG_ROOT / 'deploy/mobilenetv2_ssd_voc.yaml'

    config, _ = load_deploy_config(path, CONFIG_ROOT, {})

    assert config.experiment_path == 'experiments/exp002_ssdlite.yaml'


@pytest.fixture
def finish(tmp_path, load):
    """Leave runs of the small experiment below run.root."""

    def write(fingerprint, created_at, *overrides, status='success'):
        run = write_finished_run(tmp_path / f'tiny_{fingerprint}', load('tiny', *overrides))
        (run / 'status.json').write_text(json.dumps({'status': status}))
        (run / 'fingerprint.json').write_text(
            json.dumps({'fingerprint': fingerprint, 'created_at': created_at})
        )
        return run

    return write


def test_without_a_checkpoint_the_newest_finished_run_is_taken_and_named(
    tmp_path, finish, load, caplog
):
    caplog.set_level('INFO')
    build = make_build(tmp_path / 'deploy')
    environment = {'RUNS_ROOT': str(tmp_path)}
    finish('a' * 12, '2026-01-01')
    newest = finish('b' * 12, '2026-02-01', 'train.epochs=9')
    finish('c' * 12, '2026-03-01', status='failed')

    assert (
        find_trained_model(None, build.deploy, CONFIG_ROOT, environment).training_run
        == newest.name
    )
    assert (
        f'--checkpoint {newest}: the newest finished run of tiny; its recipe is not that of'
        in (caplog.text)
    )
    own = finish(compute_fingerprint(load('tiny')), '2025-01-01')
    assert (
        find_trained_model(None, build.deploy, CONFIG_ROOT, environment).training_run == own.name
    )
    assert f'{newest} is newer, of another one: name it to deploy it' in caplog.text


def test_without_a_finished_run_the_checkpoint_is_asked_for(tmp_path, finish):
    build = make_build(tmp_path / 'deploy')
    finish('c' * 12, '2026-03-01', status='failed')

    with pytest.raises(ConfigError) as error:
        find_trained_model(None, build.deploy, CONFIG_ROOT, {'RUNS_ROOT': str(tmp_path)})

    assert f'--checkpoint: missing, and {tmp_path} has no finished run of tiny' in str(error.value)
    assert 'tiny_cccccccccccc (status: failed)' in str(error.value)
