"""The commands: train on coloured rectangles, killed and gone on with, and export."""

from dataclasses import dataclass
import json
import os
from pathlib import Path
import random
import re
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import yaml

from ssd_training.deployment.trained_model import find_trained_model, load_deploy_config
from ssd_training.errors import CheckpointError
from ssd_training.export import main as export
from ssd_training.runs.checkpoint_source import open_source
from ssd_training.runs.checkpoints import read_checkpoint
from ssd_training.runs.files import hash_file
from ssd_training.train import CONFIG_ROOT
from ssd_training.train import main as train_main
from tests.patience import patience_s, wait_for
from tests.training.conftest import TINY, UNCHANGED
from tests.training.fault_proxy import run_proxy
from tests.training.in_process import call
from tests.training.metadata_service import notice, run_metadata_service

# Eight steps, a checkpoint after 2, 3, 4, 6 and 8; little to compile.
RECIPE = (
    *UNCHANGED,
    *('train.epochs=4', 'train.eval_every=4', 'train.batch_size=4', 'scheduler.warmup.steps=2'),
    *('checkpoint.save_every_steps=3', 'logging.log_interval_steps=1'),
    *('backbone.freeze_until=block_4', 'input_size=[64, 64]'),
)
NUM_STEPS = 8
STORE = 's3://checkpoints/runs'


def run(*arguments, **environment):
    return subprocess.run(
        [sys.executable, '-m', *map(str, arguments)],
        env=os.environ | {name: str(value) for name, value in environment.items()},
        capture_output=True,
        text=True,
    )


@pytest.fixture(scope='module')
def work(tmp_path_factory):
    return tmp_path_factory.mktemp('work')


@pytest.fixture(scope='module')
def train(data_root, work):
    """Run the small experiment with more arguments."""

    def run_with(*arguments, runs_root=None):
        return run(
            'ssd_training.train',
            *('--experiment_path', str(TINY)),
            *RECIPE,
            *arguments,
            DATA_ROOT=data_root,
            RUNS_ROOT=runs_root or work / 'runs',
        )

    return run_with


@pytest.fixture(scope='module')
def train_here(data_root, work):
    """
    Run the command in this process: code, stdout, stderr.

    TensorFlow is there already; the killed run below shows that a process does the same.
    """

    def run_with(*arguments, runs_root=None, listener=None):
        command = ('--experiment_path', TINY, *RECIPE, *arguments)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv('DATA_ROOT', str(data_root))
            patch.setenv('RUNS_ROOT', str(runs_root or work / 'runs'))
            done = call(train_main, *command, listener=listener)
        return done.code, done.out, done.err

    return run_with


@pytest.fixture(scope='module')
def kill_at(data_root):
    """Start the small experiment and end it as soon as it says that it has done some step."""

    def run_until(step, number, *arguments, runs_root):
        process = subprocess.Popen(
            [
                *(sys.executable, '-m', 'ssd_training.train'),
                *('--experiment_path', str(TINY), *RECIPE, *arguments),
            ],
            env=os.environ | {'DATA_ROOT': str(data_root), 'RUNS_ROOT': str(runs_root)},
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in process.stderr:
            if f'step {step}/{NUM_STEPS}:' in line:
                process.send_signal(number)
                break
        start_s = time.monotonic()
        _, rest = process.communicate(timeout=patience_s(60))
        return process.returncode, time.monotonic() - start_s, rest

    return run_until


@pytest.fixture(scope='module')
def run_folder(train_here):
    code, out, err = train_here()
    assert code == 0, err
    return Path(out.strip())


@pytest.fixture(scope='module')
def deploy_config(work):
    tree = yaml.safe_load((CONFIG_ROOT / 'deploy/mobilenetv2_ssd_voc.yaml').read_text())
    tree['model_name'], tree['experiment_path'] = 'shapes', str(TINY)
    tree['deploy']['input']['size'] = [96, 96, 3]
    (work / 'deploy.yaml').write_text(yaml.safe_dump(tree))
    return work / 'deploy.yaml'


def test_help_of_every_command_needs_no_heavy_library():
    """What takes long is importing them: a stopwatch would measure the machine."""
    package = CONFIG_ROOT.parent
    files = (path for path in package.rglob('*.py') if "'__main__'" in path.read_text())
    commands = sorted('.'.join(path.relative_to(package).with_suffix('').parts) for path in files)
    code = (
        'import importlib, sys\n'
        'heavy = {"cv2", "keras", "numpy", "onnx", "onnxruntime", "pydantic", "tensorflow"}\n'
        f'for name in {commands}:\n'
        '    command = importlib.import_module(f"ssd_training.{name}")\n'
        '    try:\n        command.main(["--help"])\n'
        '    except SystemExit as end:\n'
        '        print(name, end.code, sorted(heavy & set(sys.modules)))'
    )

    process = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    said = [line for line in process.stdout.splitlines() if line.endswith(']')]
    assert {'train', 'export', 'data.__main__', 'evaluate'} <= set(commands)
    assert [line for line in said if line in {f'{name} 0 []' for name in commands}] == [
        f'{name} 0 []' for name in commands
    ], process.stdout[-2000:] + process.stderr


def test_a_dry_run_builds_everything_and_writes_nothing(train_here, tmp_path):
    code, out, err = train_here('--dry_run', runs_root=tmp_path / 'runs')

    assert code == 0, err
    assert 'everything fits; nothing was written' in out
    assert not (tmp_path / 'runs').exists()


def test_a_training_says_every_step_and_starts_no_server(run_folder):
    log = next(run_folder.glob('logs/*/training.log')).read_text()

    assert json.loads((run_folder / 'status.json').read_text())['status'] == 'success'
    assert f'step 1/{NUM_STEPS}: loss ' in log
    assert 'TensorBoard' not in log
    history = json.loads((run_folder / 'metric_history.json').read_text())
    assert [entry['step'] for entry in history] == [2, 4, 6, 8]
    assert 0 <= history[-1]['val/voc_ap_50/mAP'] <= 1


@dataclass(frozen=True)
class Killed:
    """A training in a process that SIGKILL ended after some step."""

    run: Path
    after: int
    code: int


@dataclass(frozen=True)
class Terminated:
    """The same one, gone on with in this process, which got SIGTERM after step 5."""

    run: Path
    code: int
    seconds: float
    stderr: str


@pytest.fixture(scope='module')
def killed(kill_at, tmp_path_factory):
    folder = tmp_path_factory.mktemp('here')
    step = random.SystemRandom().randint(1, 4)
    code, _, _ = kill_at(step, signal.SIGKILL, runs_root=folder)
    (run,) = folder.iterdir()
    return Killed(run, step, code)


@pytest.fixture(scope='module')
def terminated(killed, train_here, bucket):
    signalled_s = []

    def signal_at_step_5(text):
        if f'step 5/{NUM_STEPS}:' in text:
            signalled_s.append(time.monotonic())
            os.kill(os.getpid(), signal.SIGTERM)

    code, _, err = train_here(
        *('--resume', f'run.upload_to={STORE}'),
        runs_root=killed.run.parent,
        listener=signal_at_step_5,
    )
    assert len(signalled_s) == 1, err
    return Terminated(killed.run, code, time.monotonic() - signalled_s[0], err)


@pytest.fixture(scope='module')
def last(terminated, train_here, tmp_path_factory):
    """Go on elsewhere from the store, to the end."""
    code, out, err = train_here(
        *('--run_from', f'{STORE}/{terminated.run.name}', '--json', f'run.upload_to={STORE}'),
        runs_root=tmp_path_factory.mktemp('elsewhere'),
    )
    assert code == 0, err
    return Path(json.loads(out)['run'])


# The next three in this order: each waits for one more process.
def test_a_killed_training_says_that_it_is_running(killed):
    assert killed.code == -signal.SIGKILL
    assert json.loads((killed.run / 'status.json').read_text())['status'] == 'running'


def test_sigterm_saves_the_state_and_says_so_within_thirty_seconds(terminated):
    assert terminated.code == 128 + signal.SIGTERM
    assert terminated.seconds < patience_s(30)
    assert terminated.stderr.count('go on with --resume') == 1
    reason = json.loads((terminated.run / 'status.json').read_text())['reason']
    step = int(re.fullmatch(r'SIGTERM: stopped at step (\d), .*', reason)[1])
    assert 5 <= step <= 7
    assert open_source(str(terminated.run)).checkpoint.position.step == step


def test_a_run_killed_at_a_random_step_and_gone_on_with_equals_an_unbroken_one_bit_for_bit(
    killed, terminated, last, run_folder
):
    """In the same folder after SIGKILL, then in another one from what SIGTERM uploaded."""
    assert last != terminated.run

    assert_equal_runs(last, run_folder, f'killed after step {killed.after}')


def test_the_store_has_what_the_run_folder_has_and_its_last_word(last, bucket):
    # Its files go with it.
    source = open_source(f'{STORE}/{last.name}')
    copy = source.run.path
    kept = hashes_of(last)
    older = {name for name in kept if '/last/' in name and f'-{NUM_STEPS}.' not in name}

    assert hashes_of(copy) == {name: kept[name] for name in kept.keys() - older}
    assert {'training_summary.json', 'weights/final_weights.weights.h5'} <= hashes_of(copy).keys()
    prefix = f'runs/{last.name}/'
    objects = bucket.list_objects_v2(Bucket='checkpoints', Prefix=prefix)['Contents']
    there = {item['Key'].removeprefix(prefix): item['Size'] for item in objects}
    logs = {
        str(path.relative_to(last)): path.stat().st_size
        for path in last.glob('logs/**/*')
        if path.is_file()
    }
    # The logs of the start that was terminated are there only.
    assert logs and logs.items() < there.items()
    status = bucket.get_object(Bucket='checkpoints', Key=f'{prefix}status.json')['Body'].read()
    assert json.loads(status)['status'] == 'success'


def hashes_of(run):
    return {
        str(path.relative_to(run)): hash_file(path)
        for path in run.rglob('*')
        if path.is_file() and path.name != '.lock' and 'logs' not in path.parts
    }


@pytest.fixture
def killed_while_it_uploads(data_root, bucket, tmp_path, monkeypatch):
    """
    Kill a training that uploads each step through a server that breaks 30 % of requests.

    That server is gone once the first step is there: all steps may be over by then.
    """
    s3fs = pytest.importorskip('s3fs')
    store, here = f's3://checkpoints/{tmp_path.name}', tmp_path / 'here'
    arguments = (f'run.upload_to={store}', 'run.upload_every_steps=1')
    command = ('ssd_training.train', '--experiment_path', str(TINY), *RECIPE, *arguments)
    with run_proxy(os.environ['AWS_ENDPOINT_URL'], share=0.3) as proxy:
        proxy.last = re.compile(r'_step_[1-9]\d*_token_none_\w+\.json$')
        monkeypatch.setenv('AWS_ENDPOINT_URL', proxy.address)
        log = tmp_path / 'stderr.txt'
        with log.open('w') as stderr:
            process = subprocess.Popen(
                [sys.executable, '-m', *command],
                env=os.environ | {'DATA_ROOT': str(data_root), 'RUNS_ROOT': str(here)},
                stderr=stderr,
            )
        try:
            wait_for(
                lambda: proxy.is_over.is_set() or process.poll() is not None,
                'the upload of a step',
                # TensorFlow has to start and to compile a step: half a minute of a busy machine.
                idle_s=120,
            )
        finally:
            process.kill()
            process.wait()
        assert proxy.is_over.is_set(), log.read_text()
        proxy.last = None
        proxy.is_over.clear()
        s3fs.S3FileSystem.clear_instance_cache()
        yield store, arguments, next(here.iterdir()).name
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.mark.slow
def test_a_machine_that_vanishes_is_followed_by_one_that_goes_on_from_its_last_upload(
    killed_while_it_uploads, train, run_folder, tmp_path
):
    store, arguments, name = killed_while_it_uploads
    step = open_source(f'{store}/{name}').checkpoint.position.step
    assert step > 0

    process = train('--resume', *arguments, runs_root=tmp_path / 'elsewhere')

    assert process.returncode == 0, process.stderr
    assert f'read ckpt-{step}' in process.stderr
    assert_equal_runs(tmp_path / 'elsewhere' / name, run_folder, f'killed, from step {step}')
    assert open_source(f'{store}/{name}').checkpoint.position.step == NUM_STEPS


@pytest.mark.slow
def test_a_spot_notice_saves_uploads_and_ends_as_sigterm_does_within_90_seconds(
    data_root, bucket, tmp_path
):
    store = f's3://checkpoints/{tmp_path.name}'
    with run_metadata_service({}) as service:
        process = subprocess.Popen(
            [
                *(sys.executable, '-m', 'ssd_training.train', '--experiment_path', str(TINY)),
                *(*RECIPE, 'train.epochs=400', f'run.upload_to={store}'),
            ],
            env=os.environ
            | {'DATA_ROOT': str(data_root), 'RUNS_ROOT': str(tmp_path / 'runs')}
            | {'AWS_EC2_METADATA_SERVICE_ENDPOINT': service.address},
            stderr=subprocess.PIPE,
            text=True,
        )
        for line in process.stderr:
            if 'step 3/' in line:
                service.items |= notice()
                break
        start_s = time.monotonic()
        _, rest = process.communicate()
    seconds = time.monotonic() - start_s

    assert process.returncode == 128 + signal.SIGTERM, rest
    assert seconds < 90
    (run,) = (tmp_path / 'runs').iterdir()
    reason = json.loads((run / 'status.json').read_text())['reason']
    assert reason.startswith('spot interruption notice (terminate at 2026-09-18T08:22:00Z): stop')
    source = open_source(f'{store}/{run.name}')
    assert f'stopped at step {source.checkpoint.position.step}, which is saved' in reason
    assert json.loads((source.run.path / 'status.json').read_text())['reason'] == reason


@pytest.mark.slow
def test_a_run_killed_ten_times_equals_an_unbroken_one_bit_for_bit(
    run_folder, kill_at, train, tmp_path
):
    random_numbers = random.SystemRandom()
    steps = sorted(random_numbers.choices(range(1, NUM_STEPS), k=10))
    for number, step in enumerate(steps):
        kill_at(step, signal.SIGKILL, *['--resume'] * (number > 0), runs_root=tmp_path)

    process = train('--resume', runs_root=tmp_path)

    assert process.returncode == 0, process.stderr
    assert_equal_runs(tmp_path / run_folder.name, run_folder, f'killed after steps {steps}')


def assert_equal_runs(one, other, message):
    states = [read_checkpoint(run / 'checkpoints/last', NUM_STEPS).arrays for run in (one, other)]
    assert states[0].keys() == states[1].keys()
    for name, array in states[0].items():
        np.testing.assert_array_equal(array, states[1][name], err_msg=f'{message}: {name}')
    losses = [
        [entry['train/loss'] for entry in json.loads((run / 'metric_history.json').read_text())]
        for run in (one, other)
    ]
    assert losses[0] == losses[1], message


def test_training_the_same_recipe_again_exits_with_1_and_one_sentence(run_folder, data_root, work):
    """Before TensorFlow is there, for which one would wait."""
    code = (
        'import sys\n'
        'from ssd_training.train import main\n'
        'print(main(sys.argv[1:]), "tensorflow" in sys.modules)'
    )

    process = subprocess.run(
        [sys.executable, '-c', code, '--experiment_path', str(TINY), *RECIPE],
        env=os.environ | {'DATA_ROOT': str(data_root), 'RUNS_ROOT': str(work / 'runs')},
        capture_output=True,
        text=True,
    )

    assert process.stdout.split() == ['1', 'False']
    (finding,) = process.stderr.splitlines()
    assert f'{run_folder}: this very recipe is finished (status: success)' in finding


@pytest.mark.parametrize(
    ('arguments', 'code', 'message'),
    [
        (['train.batch_sise=3'], 2, 'did you mean train.batch_size?'),
        (['data.train_split=nothing'], 1, 'nothing.txt: can not be read'),
        (['data.val_split=train'], 2, 'val_split: train is the train_split too'),
        (['--resume', 'train.seed=9'], 1, '--resume: '),
        (['--run_from', 'nowhere'], 1, 'nowhere: no checkpoint there'),
        (['--checkpoint_step', '3'], 2, '--checkpoint_step: needs --resume or --run_from'),
        (['--resume', '--run_from', 'x'], 2, 'not allowed with argument --resume'),
        (['--local_rank', '1'], 2, 'workers are told apart by TF_CONFIG'),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(
    train_here, tmp_path, arguments, code, message
):
    received, _, err = train_here(*arguments, runs_root=tmp_path / 'runs')

    assert received == code
    assert message in err


@pytest.mark.slow
def test_a_batch_that_can_be_learnt_by_heart_exits_with_0_and_writes_nothing(train, tmp_path):
    arguments = ('--overfit_batch', '40', '--json', 'scheduler.base_lr=0.01', 'train.epochs=30')

    process = train(*arguments, runs_root=tmp_path / 'runs')

    assert process.returncode == 0, process.stderr
    result = json.loads(process.stdout)
    assert result['last_loss'] < 0.5 * result['first_loss']
    assert not (tmp_path / 'runs').exists()


def test_print_config_shows_values_and_origins(train_here):
    _, out, _ = train_here('--print_config', 'train.seed=5')

    assert '  seed: 5  # command line' in out.splitlines()


@pytest.mark.parametrize('name', ['ckpt-8', 'ckpt-8.npz'])
def test_a_checkpoint_is_a_source_with_or_without_its_suffix(
    run_folder, deploy_config, data_root, name
):
    environment = {'DATA_ROOT': str(data_root)}
    deploy, _ = load_deploy_config(deploy_config, CONFIG_ROOT, environment)
    last = run_folder / 'checkpoints/last'

    source = find_trained_model(last / name, deploy, CONFIG_ROOT, environment)

    assert source.weights_path == last / 'ckpt-8.npz'
    assert source.training_run == 'tiny ckpt-8'
    assert run_folder.name == f'tiny_{source.fingerprint}'
    with pytest.raises(CheckpointError, match='ckpt-9.npz: cut off or damaged'):
        find_trained_model(last / 'ckpt-9', deploy, CONFIG_ROOT, environment)


def test_exporting_something_that_is_no_run_is_one_sentence(deploy_config, work, capsys):
    code = export(['--deploy_config', str(deploy_config), '--checkpoint', str(work)])

    assert code == 1
    assert 'status is unknown; only a run with status success is used' in capsys.readouterr().err
