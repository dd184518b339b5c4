"""What the package says where another that it builds on is missing."""

from pathlib import Path
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize('place', ['elsewhere', 'root of the workspace'])
def test_without_the_core_an_import_says_what_to_source(place, tmp_path):
    done = subprocess.run(
        [sys.executable, '-m', 'ssd_training.train', '--help'],
        # Neither this workspace nor another; the package alone.
        env={'PYTHONPATH': str(ROOT / 'ssd_training')},
        cwd=tmp_path if place == 'elsewhere' else ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert 'source install/setup.bash' in done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    'command',
    [
        'train --experiment_path experiments/smoke.yaml',
        'average released --experiment_path experiments/smoke.yaml --output mean.weights.h5',
    ],
)
def test_without_tensorflow_a_command_says_how_to_get_it(command, tmp_path):
    """As on a Python that TensorFlow has no release for."""
    name, *arguments = command.split()
    run = (
        'import importlib, sys; sys.modules["tensorflow"] = None; '
        'sys.exit(importlib.import_module(f"ssd_training.{sys.argv[1]}").main(sys.argv[2:]))'
    )
    done = subprocess.run(
        [sys.executable, '-c', run, name, *arguments],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith('TensorFlow: this command needs it')
    assert 'pip install tensorflow-cpu' in done.stderr
