"""The list of folders in CONTRIBUTING.md is the tree."""

from pathlib import Path
import re
import subprocess

import pytest

ROOT = Path(__file__).parents[2]
# Their folders mirror those of the packages, or those of ROS.
MIRRORS = ('tests/', 'docker/ros_wheels/standins/')
PACKAGES = {
    'tests/core': 'ssd_detector/ssd_detector',
    'tests/training': 'ssd_training/ssd_training',
    'tests/ros': 'ssd_detector_ros/ssd_detector_ros',
}


def tracked_files():
    command = ['git', '-C', str(ROOT), 'ls-files']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip('this tree is no git checkout')
    return [Path(name) for name in done.stdout.splitlines() if (ROOT / name).exists()]


def test_contributing_has_a_line_for_every_folder_with_code_and_no_other():
    files = tracked_files()
    folders = {f'{path.parts[0]}/' for path in files if len(path.parts) > 1}
    folders |= {f'{path.parent}/' for path in files if path.suffix == '.py'}
    folders = {folder for folder in folders if not folder.startswith('.') and folder != './'}
    folders = {
        folder for folder in folders if folder == 'tests/' or not folder.startswith(MIRRORS)
    }
    text = (ROOT / 'CONTRIBUTING.md').read_text()
    listed = re.findall(r'^\| `([^`]+/)` \|', text, re.MULTILINE)
    assert sorted(listed) == sorted(folders)


def test_tests_lie_as_the_packages_do():
    folders = {path.parent for path in tracked_files() if path.name.startswith('test_')}
    for tests, package in PACKAGES.items():
        below = [folder.relative_to(tests) for folder in folders if folder.is_relative_to(tests)]
        missing = [str(folder) for folder in below if not (ROOT / package / folder).is_dir()]
        assert missing == [], f'{tests} has folders that {package} has not'


def test_the_top_level_reads_as_the_product():
    """The packages, what people look for at the top, and docs, tests and tools; nothing else."""
    entries = {path.parts[0] for path in tracked_files()}
    visible = {entry for entry in entries if not entry.startswith('.')}

    assert visible == {
        *('ssd_detector', 'ssd_detector_ros', 'ssd_msgs', 'ssd_training', 'launch', 'params'),
        *('README.md', 'CHANGELOG.md', 'CONTRIBUTING.md', 'LICENSE', 'Makefile', 'pyproject.toml'),
        *('docker', 'docs', 'tests', 'tools'),
    }
