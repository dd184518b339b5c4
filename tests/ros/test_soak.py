"""The short soak: 45 s of frames at 30 Hz while everything changes."""

from pathlib import Path
import subprocess
import sys


def test_the_node_holds_out_while_everything_changes():
    done = subprocess.run(
        [sys.executable, '-m', 'tests.ros.soak', '--seconds', '45'],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
