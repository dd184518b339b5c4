"""Which Python the set-up takes, and what it says of others."""

from importlib.metadata import distribution, PackageNotFoundError
from pathlib import Path
import platform
import re
import shutil
import subprocess
import sys

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
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


@pytest.mark.parametrize('file', ['lock.txt', 'lock-demo.txt'])
def test_what_a_package_asks_for_with_an_extra_is_pinned_with_it(file):
    """
    Where uv can't be had: pip takes no other spelling of a name for a pinned one.

    What only lock-docs.txt has is not looked at: its packages are not installed for tests.
    """
    pinned, asked = {}, set()
    for line in (SETUP.parent / 'requirements' / file).read_text().splitlines():
        if match := re.match(r'([\w.-]+)(?:\[([\w,-]+)\])?==', line):
            pinned[canonicalize_name(match[1])] = set(filter(None, (match[2] or '').split(',')))
    for package, extras in pinned.items():
        try:
            lines = distribution(package).requires or []
        except PackageNotFoundError:
            continue  # for another Python
        for line in lines:
            wanted = Requirement(line)
            marker = wanted.marker
            if marker is None or any(marker.evaluate({'extra': own}) for own in ('', *extras)):
                asked |= {(canonicalize_name(wanted.name), extra) for extra in wanted.extras}

    assert asked
    assert {
        (package, extra) for package, extra in asked if extra not in pinned.get(package, ())
    } == set()
