"""Which Python the set-up takes, and what it says of others."""

from pathlib import Path
import platform
import shutil
import subprocess
import sys

import pytest

pytestmark = pytest.mark.skipif(
    platform.machine() != 'x86_64', reason='ROS has wheels for x86_64 alone'
)

SETUP = Path(__file__).parents[2] / 'tools/setup.sh'


@pytest.fixture
def set_up(tmp_path):
    """
    Run the set-up, in an empty folder, with a Python that says to be of another version.

    Where it is taken, the next step misses what it needs, and may not install it.
    """
    (tmp_path / 'tools').mkdir()
    shutil.copy(SETUP, tmp_path / 'tools')
    (tmp_path / 'id').write_text('#!/bin/sh\necho 1000\n')
    (tmp_path / 'id').chmod(0o755)

    def run(group, version):
        python = tmp_path / 'python'
        pretend = (
            f'import sys; sys.version_info = {version}; sys._base_executable = "/bin/false"; '
            f'exec(sys.argv[1])'
        )
        python.write_text(f'#!/bin/sh\nexec {sys.executable} -c \'{pretend}\' "$2"\n')
        python.chmod(0o755)
        return subprocess.run(
            [tmp_path / 'tools/setup.sh', group],
            env={'PATH': f'{tmp_path}:/usr/bin:/bin', 'PYTHON': str(python)},
            capture_output=True,
            text=True,
            check=False,
        ).stderr

    return run


@pytest.mark.parametrize(
    ('group', 'version', 'is_taken'),
    [
        ('all', (3, 10), False),
        ('all', (3, 11), True),
        ('all', (3, 13), True),
        ('all', (3, 14), False),
        ('demo', (3, 14), True),
        ('demo', (3, 15), False),
    ],
)
def test_the_node_takes_one_python_more_than_the_training(set_up, group, version, is_taken):
    said = set_up(group, version)

    assert ('missing: ' in said) == is_taken, said
    assert ('is needed' in said) != is_taken, said
    if (group, version) == ('all', (3, 14)):
        assert 'TensorFlow' in said and 'make demo take 3.14' in said
