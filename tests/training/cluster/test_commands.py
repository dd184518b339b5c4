"""What of a cluster needs none: the command line, commands on nodes, SkyPilot's task files."""

from pathlib import Path
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
import yaml

from ssd_detector.errors import ConfigError
from ssd_training.cluster.__main__ import main
from ssd_training.cluster.commands_on_nodes import NodeCommand
from ssd_training.cluster.work_queue import check_reach, Workers
from ssd_training.errors import RunError
from ssd_training.ledger.opening import Location
from tests.patience import wait_for

ROOT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def nothing_set(monkeypatch):
    for name in ('SSD_LEDGER', 'DYNAMODB_EXPERIMENT_TABLE', 'GIT_COMMIT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('CHECKPOINT_BUCKET', 'checkpoints/runs')


def read_line(path):
    """Wait for what a process writes."""
    wait_for(lambda: path.exists() and path.read_text().endswith('\n'), f'a line in {path}')
    return path.read_text().strip()


# Says that it is there, and what ended it.
CHILD = """
trap 'echo SIGTERM >{0}/end; exit 143' TERM
echo $$ >{0}/start
while :; do sleep 0.05; done
"""


def test_a_command_gets_sigterm_when_who_started_it_is_killed(tmp_path):
    script = CHILD.format(tmp_path)
    code = (
        'import sys; from ssd_training.cluster.commands_on_nodes import NodeCommand; '
        'NodeCommand(["bash", "-c", sys.argv[1]], {}).wait()'
    )
    with subprocess.Popen([sys.executable, '-c', code, script]) as parent:
        try:
            read_line(tmp_path / 'start')
        finally:
            parent.kill()
    assert read_line(tmp_path / 'end') == 'SIGTERM'


def test_a_command_that_ends_well_at_sigterm_is_let(tmp_path):
    command = NodeCommand(['bash', '-c', CHILD.format(tmp_path)], {})
    read_line(tmp_path / 'start')
    command.end(30.0)
    assert (command.wait(), read_line(tmp_path / 'end')) == (143, 'SIGTERM')


def test_a_command_that_does_not_is_killed(tmp_path):
    script = f'trap "" TERM; echo >{tmp_path}/start; while :; do sleep 0.05; done'
    command = NodeCommand(['bash', '-c', script], {})
    read_line(tmp_path / 'start')
    command.end(0.1)
    assert command.wait() == 128 + signal.SIGKILL
    # Once more: it is gone.
    command.end(0.1)


def test_a_command_has_the_variables_of_its_node_and_those_that_it_is_given(monkeypatch):
    monkeypatch.setenv('OF_THE_NODE', '4')
    words = ['bash', '-c', 'exit $((OF_THE_NODE + GIVEN))']
    assert NodeCommand(words, {'GIVEN': '3'}).wait() == 7


def test_a_file_is_a_ledger_of_one_machine():
    check_reach(Location(path=Path('ledger.db')), {'10.0.0.1'})
    check_reach(Location(table='ledger'), {'10.0.0.1', '10.0.0.2'})
    with pytest.raises(ConfigError, match=r'ledger.db: .* the cluster has 2; keep it in a table'):
        check_reach(Location(path=Path('ledger.db')), {'10.0.0.1', '10.0.0.2'})


@pytest.mark.parametrize(
    'words',
    [['queue'], ['train', '--multi_worker', '2', '--experiment_path', 'experiments/smoke.yaml']],
    ids=lambda words: words[0],
)
def test_without_ray_one_sentence_says_how_to_get_it(monkeypatch, capsys, words):
    monkeypatch.setitem(sys.modules, 'ray', None)
    assert main(words) == 2
    assert 'a cluster needs Ray' in (message := capsys.readouterr().err)
    assert 'pip install "ssd_training[ray]"' in message and message.count('\n') == 1


class Tasks:
    """Stands for Ray: tasks that have ended before they are asked for."""

    exceptions = SimpleNamespace(RayError=ConnectionError)

    def __init__(self, *exit_codes):
        self.left = list(exit_codes)
        self.cancelled = []

    def start(self):
        return object()

    def wait(self, tasks, **_):
        return tasks[:1], tasks[1:]

    def get(self, task):
        exit_code = self.left.pop(0)
        if exit_code is None:
            raise ConnectionError('out of memory\nmore lines')
        return exit_code

    def cancel(self, task):
        self.cancelled.append(task)


def test_a_worker_that_was_interrupted_with_its_machine_starts_again_and_no_other():
    tasks = Tasks(143, 0, 143, 1)
    assert Workers(tasks, tasks.start, 2).wait() == 1
    assert tasks.left == []


def test_a_worker_that_is_interrupted_again_and_again_ends():
    tasks = Tasks(*[143] * 21)
    assert Workers(tasks, tasks.start, 1).wait() == 143


def test_a_worker_that_could_not_be_run_is_one_sentence():
    tasks = Tasks(None)
    with pytest.raises(RunError, match=r'^worker 0: was not run \(out of memory\)$'):
        Workers(tasks, tasks.start, 1).wait()


def test_all_workers_are_cancelled():
    tasks = Tasks()
    Workers(tasks, tasks.start, 3).cancel()
    assert len(tasks.cancelled) == 3


def task_of(capsys, *words):
    assert main(['skypilot', '--image', 'registry.example/ssd_training:1', *words]) == 0
    return yaml.safe_load(capsys.readouterr().out)


def test_a_task_starts_the_worker_of_the_queue_on_a_spot_machine(monkeypatch, capsys):
    monkeypatch.setenv('DATA_ROOT', '/home/me/data')
    task = task_of(capsys, '--table_name', 'ledger', '--region', 'eu-central-1')
    assert task['resources']['use_spot'] is True
    assert {
        'CHECKPOINT_BUCKET': 'checkpoints/runs',
        'DYNAMODB_EXPERIMENT_TABLE': 'ledger',
    }.items() <= (task['envs'].items())
    assert 'DATA_ROOT' not in task['envs'] and 'file_mounts' not in task
    words = task['run'].replace('\\\n', ' ').split()
    assert words[-3:] == ['registry.example/ssd_training:1', 'ssd_training.ledger', 'run']
    assert [words[i + 1] for i, word in enumerate(words) if word == '--env'] == list(task['envs'])


def test_a_task_is_recovered_when_it_was_interrupted_and_not_when_experiments_failed(capsys):
    recovery = task_of(capsys, '--table_name', 'ledger')['resources']['job_recovery']
    assert recovery == {'max_restarts_on_errors': 0, 'recover_on_exit_codes': [143]}


def test_a_task_brings_the_data_set_and_takes_other_gpus(capsys):
    words = ['--dataset_url', 's3://data/voc', '--accelerators', 'H100:1']
    task = task_of(capsys, '--table_name', 'ledger', *words)
    assert task['file_mounts'] == {'/data': {'source': 's3://data/voc', 'mode': 'COPY'}}
    assert task['resources']['accelerators'] == ['H100:1']


def test_no_key_gets_into_a_task(monkeypatch, capsys):
    monkeypatch.setenv('AWS_ACCESS_KEY_ID', 'mine')
    monkeypatch.setenv('AWS_SECRET_ACCESS_KEY', 'secret')
    assert not {'mine', 'secret'} & set(task_of(capsys, '--table_name', 'l')['envs'].values())


def test_machines_of_a_cloud_need_a_place_for_copies(monkeypatch, capsys):
    monkeypatch.delenv('CHECKPOINT_BUCKET')
    assert main(['skypilot', '--image', 'a/b:1', '--table_name', 'ledger']) == 2
    assert 'set CHECKPOINT_BUCKET' in capsys.readouterr().err


def test_machines_of_a_cloud_need_the_ledger_in_a_table(monkeypatch, capsys):
    monkeypatch.setenv('SSD_LEDGER', 'ledger.db')
    assert main(['skypilot', '--image', 'a/b:1']) == 2
    assert 'need the ledger in a table' in capsys.readouterr().err


@pytest.mark.slow
def test_skypilot_itself_takes_the_task(tmp_path, capsys, monkeypatch):
    sky = pytest.importorskip('sky', reason='SkyPilot is not here (pip install skypilot)')
    monkeypatch.setenv('HOME', str(tmp_path))
    path = tmp_path / 'task.yaml'
    path.write_text(yaml.safe_dump(task_of(capsys, '--table_name', 'ledger')))
    resources = sky.Task.from_yaml(str(path)).resources
    codes = [resource.job_recovery['recover_on_exit_codes'] for resource in resources]
    assert codes == [[143]] * 3
