"""The short soak: frames at 30 Hz while everything changes."""

from pathlib import Path
import subprocess
import sys

import pytest

from tests.patience import patience_s


# Slow: whether memory grows takes longer to see than whether every frame has one answer.
@pytest.mark.parametrize('seconds', [6, pytest.param(45, marks=pytest.mark.slow)])
def test_the_node_holds_out_while_everything_changes(seconds):
    done = subprocess.run(
        [sys.executable, '-m', 'tests.ros.soak', '--seconds', str(seconds)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=patience_s(120),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
