"""What the package says where the one that it builds on is missing."""

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
