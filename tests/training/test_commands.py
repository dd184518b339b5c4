"""The commands, each as a process: train on coloured rectangles, export, detect."""

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest
import yaml

from ssd_detector import Detector
from ssd_training.data.records import ImageFile
from ssd_training.train import CONFIG_ROOT
from tests.training.conftest import TINY


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

    def run_with(*arguments):
        return run(
            'ssd_training.train',
            '--experiment_path',
            str(TINY),
            *arguments,
            DATA_ROOT=data_root,
            RUNS_ROOT=work / 'runs',
        )

    return run_with


@pytest.fixture(scope='module')
def run_folder(train):
    process = train()
    assert process.returncode == 0, process.stderr
    return Path(process.stdout.strip())


@pytest.fixture(scope='module')
def deploy_config(work):
    tree = yaml.safe_load((CONFIG_ROOT / 'deploy/mobilenetv2_ssd_voc.yaml').read_text())
    tree['model_name'], tree['experiment_path'] = 'shapes', str(TINY)
    tree['deploy']['input']['size'] = [96, 96, 3]
    (work / 'deploy.yaml').write_text(yaml.safe_dump(tree))
    return work / 'deploy.yaml'


@pytest.mark.parametrize('command', ['train', 'export'])
def test_help_needs_no_heavy_library(command):
    code = (
        f'import sys\nimport ssd_training.{command} as command\n'
        'heavy = {"keras", "onnx", "pydantic", "tensorflow"}\n'
        'try:\n    command.main(["--help"])\n'
        'except SystemExit as end:\n    print(end.code, sorted(heavy & set(sys.modules)))'
    )

    process = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert process.stdout.splitlines()[-1] == '0 []'
    assert '--print_config' in process.stdout


def test_a_dry_run_builds_everything_and_writes_nothing(train, tmp_path):
    process = train('--dry_run', f'run.root={tmp_path / "runs"}')

    assert process.returncode == 0, process.stderr
    assert 'everything fits; nothing was written' in process.stdout
    assert not (tmp_path / 'runs').exists()


def test_a_training_leaves_a_complete_run_folder(run_folder):
    files = {str(path.relative_to(run_folder)) for path in run_folder.rglob('*') if path.is_file()}

    assert files == {
        'args.json',
        'config.json',
        'fingerprint.json',
        'metric_history.json',
        'status.json',
        'training.log',
        'weights/final_weights.weights.h5',
    }
    assert json.loads((run_folder / 'status.json').read_text())['status'] == 'success'
    history = json.loads((run_folder / 'metric_history.json').read_text())
    assert [entry['step'] for entry in history] == [2, 4]
    assert 0 <= history[-1]['val/voc_ap_50/mAP'] <= 1
    assert 'epoch 2: loss' in (run_folder / 'training.log').read_text()


def test_training_the_same_recipe_again_exits_with_1_and_one_sentence(train, run_folder):
    process = train()

    assert process.returncode == 1
    assert 'holds a run of this very recipe (status: success)' in process.stderr
    assert 'Traceback' not in process.stderr


@pytest.mark.parametrize(
    ('arguments', 'code', 'message'),
    [
        (['train.batch_sise=3'], 2, 'did you mean train.batch_size?'),
        (['data.train_split=nothing'], 1, 'nothing.txt: can not be read'),
        (['data.val_split=train'], 2, 'val_split: train is the train_split too'),
    ],
)
def test_a_mistake_is_one_sentence_and_an_exit_code(train, arguments, code, message):
    process = train(*arguments)

    assert process.returncode == code
    assert message in process.stderr
    assert 'Traceback' not in process.stderr


def test_print_config_shows_values_and_origins(train):
    process = train('--print_config', 'train.seed=5')

    assert '  seed: 5  # command line' in process.stdout.splitlines()


def test_an_exported_run_detects_in_an_image(run_folder, deploy_config, work, data_root):
    process = run(
        'ssd_training.export',
        *('--deploy_config', deploy_config, '--checkpoint', run_folder),
        *('--output_dir', work / 'bundle'),
        DATA_ROOT=data_root,
    )
    assert process.returncode == 0, process.stderr
    detector = Detector.from_bundle(process.stdout.strip(), score_threshold=0.0)

    image_path = next((data_root / 'VOCdevkit/VOC2007/JPEGImages').glob('*.jpg'))
    detections = detector(ImageFile(image_path).load())

    assert set(detections.labels) <= {'red', 'green', 'blue'}
    assert len(detections) == 20
    assert detector.bundle.manifest.training_run == run_folder.name


def test_exporting_something_that_is_no_run_is_one_sentence(deploy_config, work):
    process = run('ssd_training.export', '--deploy_config', deploy_config, '--checkpoint', work)

    assert process.returncode == 1
    assert 'status is unknown; only a run with status success is used' in process.stderr
