"""What is deployed: a run, weights or a checkpoint, and whether the deploy config is for it."""

import dataclasses
import json

import pytest

from ssd_detector.errors import ConfigError
from ssd_training.convert import main as convert_command
from ssd_training.deploy.__main__ import main as deploy_command
from ssd_training.deploy.source import read_source
from ssd_training.export import main as export_command
from ssd_training.train import CONFIG_ROOT
from tests.training.deploy_config import write_deploy_config
from tests.training.deploying import make_build


def write_finished_run(path, config):
    """Write what a finished training leaves, as far as the export looks at it."""
    path.mkdir()
    contents = {
        'config.json': dataclasses.asdict(config),
        'status.json': {'status': 'success'},
        'fingerprint.json': {'fingerprint': '0123456789ab'},
        'metric_history.json': [{'val/voc_ap_50/mAP': 0.25}],
    }
    for name, content in contents.items():
        (path / name).write_text(json.dumps(content, default=str))
    return path


def test_a_run_with_other_classes_priors_or_size_than_the_config_names_each(load, tmp_path):
    changes = ('data.labels=[red, green]', 'priors.min_scale=0.1', 'input_size=[128, 128]')
    run = write_finished_run(tmp_path / 'run', load('tiny', *changes))
    build = make_build(tmp_path)

    with pytest.raises(ConfigError) as error:
        read_source(run, build.deploy, CONFIG_ROOT, {})

    text = str(error.value)
    assert "data.labels: is ['red', 'green'], this experiment has ['red', 'green', 'blue']" in text
    assert 'priors.min_scale: is 0.1' in text and 'input_size: is [128, 128]' in text
    assert 'name the experiment that was trained' in text


def test_a_run_of_the_configs_experiment_is_taken(load, tmp_path):
    run = write_finished_run(tmp_path / 'run', load('tiny', 'train.epochs=9'))

    source = read_source(run, make_build(tmp_path).deploy, CONFIG_ROOT, {})

    assert (source.config.train.epochs, source.fingerprint) == (9, '0123456789ab')


def test_weights_may_be_named_without_their_suffix(tmp_path):
    """Fault 76: the README's example names a prefix, which only a folder passed for."""
    source = read_source(tmp_path / 'final', make_build(tmp_path).deploy, CONFIG_ROOT, {})

    assert source.weights_path == tmp_path / 'final.weights.h5'


@pytest.mark.parametrize('command', [export_command, deploy_command, convert_command])
def test_print_config_shows_it_and_succeeds_without_a_checkpoint(command, tmp_path, capsys):
    """Fault 76: it ended with 1."""
    path = write_deploy_config(tmp_path / 'deploy.yaml')
    checkpoint = [] if command is convert_command else ['--checkpoint', 'nowhere']

    assert command(['--deploy_config', str(path), '--print_config', *checkpoint]) == 0
    assert 'max_detections: 20' in capsys.readouterr().out
