"""`make release-model`, on a small network and rectangles."""

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
def test_teachers_students_and_others_are_trained_averaged_and_deployed_and_the_finished_kept(
    tmp_path, monkeypatch
):
    """Seven trainings and two deployments: some minutes."""
    write_shapes_voc(tmp_path)
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    arguments = ['data.val_split=null', 'scheduler.warmup.steps=1', '--epochs', '1']

    first = release(tmp_path, *arguments)

    assert first.returncode == 0, first.stderr
    bundle = load_bundle(first.stdout.splitlines()[-1])
    card = (bundle.path / 'MODEL_CARD.md').read_text()
    assert 'the mean of the weights of 7 trainings' in card
    assert '## Known failures' in card
    assert 'seed 12, 0.7 taught by teacher.weights.h5), share 0.14' in card

    again = release(tmp_path, *arguments)

    assert again.returncode == 0, again.stderr
    assert again.stderr.count(': is finished') == 9
