"""`make release-model`, on a small network and rectangles."""

import json
from pathlib import Path
import subprocess
import sys

import pytest

from ssd_detector.bundles.bundle import load_bundle
from tests.training.deploy_config import TINY, write_deploy_config
from tests.training.shapes_voc import write_shapes_voc

TOOL = Path(__file__).parents[2] / 'tools/release/release_model.py'


def release(root, *arguments):
    deploy_config = write_deploy_config(root / 'deploy.yaml')
    command = [sys.executable, TOOL, '--root', root / 'release', '--experiment_path', TINY]
    command += ['--deploy_config', deploy_config, '--num_evaluated', '0', *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_members_are_trained_from_their_mean_too_averaged_deployed_and_the_finished_kept(
    tmp_path, monkeypatch
):
    """Five trainings and two deployments: some minutes."""
    write_shapes_voc(tmp_path)
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    arguments = ['data.val_split=null', 'scheduler.warmup.steps=1', '--epochs', '1']

    first = release(tmp_path, *arguments)

    assert first.returncode == 0, first.stderr
    bundle = load_bundle(first.stdout.splitlines()[-1])
    card = (bundle.path / 'MODEL_CARD.md').read_text()
    assert 'the mean of the weights of 5 trainings' in card
    assert '## Known failures' in card
    assert [card.count(f'seed {seed}, from start.weights.h5)') for seed in (37, 41, 42)] == [
        0,
        1,
        1,
    ]

    again = release(tmp_path, *arguments)

    assert again.returncode == 0, again.stderr
    assert again.stderr.count(': is finished') == 7


@pytest.mark.slow
def test_the_figure_is_of_images_that_no_member_has_seen(tmp_path, monkeypatch):
    write_shapes_voc(tmp_path)
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))

    made = release(tmp_path, '--figure', 'scheduler.warmup.steps=1', '--epochs', '1')

    assert made.returncode == 0, made.stderr
    root = tmp_path / 'release'
    runs = [json.loads(path.read_text()) for path in root.glob('*/config.json')]
    assert [(run['data']['train_split'], run['data']['val_split']) for run in runs] == [
        ('train', None)
    ] * 5
    metrics = json.loads((root / 'report/metrics.json').read_text())
    assert metrics['origin']['data']['name'] == 'voc val'
    assert f'{metrics["mean_ap"]:.4f}' in made.stdout
    assert not (root / 'bundle').exists()
