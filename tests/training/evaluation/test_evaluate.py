"""The command that scores models, as a process and in this one."""

from dataclasses import asdict, replace
import io
import json
from pathlib import Path
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from rich.console import Console
import yaml

from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.errors import EvaluationError
from ssd_detector.report.files import read_result
from ssd_training.data.datasets import read_split
from ssd_training.evaluate import CONFIG_ROOT, main
from ssd_training.evaluation.bundle_stages import chain_stages, find_before
from ssd_training.evaluation.categories import number_categories
from ssd_training.evaluation.gates import find_failures
from ssd_training.evaluation.inputs import Experiment, find_stage, read_experiment
from ssd_training.evaluation.scoring import Score
from ssd_training.evaluation.stages import Stage
from ssd_training.experiments.data_schema import CocoSettings
from ssd_training.progress import open_progress
from ssd_training.runs.files import write_json
from tests.tiny_bundle import DEPLOY_YAML, write_tiny_bundle
from tests.training.conftest import TINY


@pytest.fixture(scope='module')
def bundle(tmp_path_factory) -> Path:
    """Hold the tiny bundle, as if the small experiment had trained it."""
    text = DEPLOY_YAML + f'experiment_path: {TINY}\n'
    return write_tiny_bundle(tmp_path_factory.mktemp('bundle') / 'tiny', deploy_yaml=text)


@pytest.fixture
def evaluate(data_root, monkeypatch, capsys):
    """Run the command and give exit code, stdout, stderr."""
    monkeypatch.setenv('DATA_ROOT', str(data_root))

    def run(*arguments):
        code = main([str(argument) for argument in arguments])
        return (code, *capsys.readouterr())

    return run


@pytest.fixture
def perfect(tiny_config):
    """Say everything that is annotated, as COCO results."""
    return [
        {
            'image_id': int(record.image_id),
            'category_id': class_id,
            'bbox': [x1, y1, x2 - x1, y2 - y1],
            'score': 0.5,
        }
        for record in read_split(tiny_config.data, tiny_config.data.val_split)
        for (x1, y1, x2, y2), class_id in zip(
            record.ground_truths.boxes_xyxy.tolist(),
            record.ground_truths.class_ids.tolist(),
            strict=True,
        )
    ]


def write(path: Path, entries) -> Path:
    path.write_text(json.dumps(entries))
    return path


def test_a_bundle_is_scored_with_class_names(evaluate, bundle):
    code, out, err = evaluate(bundle, '--json')

    metrics = json.loads(out)['stages'][0]['metrics']
    assert code == 0
    assert 0 <= metrics['mean_ap'] <= 1
    assert [of_class['label'] for of_class in metrics['by_class']] == ['red', 'green', 'blue']
    assert list(metrics['origin']['speed_ms']) == [
        'decode',
        'preprocess',
        'inference',
        'postprocess',
    ]
    assert 'ONNX: 4/4 images' in err
    assert 'per_class_top_k 400 (deploy.yaml: 100)' in err
    assert 'score_threshold 0.01 (deploy.yaml: 0.35)' in err
    assert metrics['origin']['settings']['nms.per_class_top_k'] == 400


def test_a_file_of_a_bundle_is_scored_with_the_experiment_of_the_bundle(evaluate, bundle):
    code, out, _ = evaluate(bundle / 'model.onnx')

    assert (code, out.splitlines()[1].split()[0]) == (0, 'ONNX')


def test_a_map_below_the_gate_exits_with_1(evaluate, bundle):
    code, _, err = evaluate(bundle, '--min_map', '1.1')

    assert code == 1
    assert '--min_map 1.1' in err


def test_the_chain_names_absent_stages_with_the_reason(evaluate, bundle):
    code, out, _ = evaluate('--chain', bundle)

    assert code == 0
    assert 'model_int8_cpu.onnx is not in the bundle' in out
    assert 'not given; add --checkpoint' in out
    assert 'add --saved_model' in out
    assert 'backend tensorrt: ' in out.splitlines()[-1]


def test_a_stage_that_loses_more_than_allowed_exits_with_1(evaluate, bundle, monkeypatch):
    monkeypatch.setattr('ssd_training.evaluation.bundle_stages.INT8_CPU', 'model.onnx')
    code, _, err = evaluate('--chain', bundle, '--max_loss', '-0.5')

    assert code == 1
    assert 'INT8 CPU: loses 0.00 points of mAP against ONNX; -0.5 are allowed' in err


def test_the_loss_that_was_map_is_map_still_and_says_so(capsys):
    with pytest.raises(SystemExit):
        main(['--help'])
    assert '--max-loss' not in capsys.readouterr().out

    assert main(['--max-loss', '0.02', 'nowhere']) == 1
    said = '--max-loss 0.02: taken as mAP, as it was, so 2 points; write --max_loss 2'
    assert said in capsys.readouterr().err


def test_a_loss_is_held_against_points_of_map():
    def lose(loss):
        score = Score(Stage('ONNX', None, None), SimpleNamespace(mean_ap=0.7), None, 'Keras', loss)
        return find_failures([score], min_map=None, max_loss=1.0)

    assert not lose(0.0099)
    assert lose(0.0101) == ['ONNX: loses 1.01 points of mAP against Keras; 1 are allowed']
    assert lose(float('nan'))


def test_class_lists_that_do_not_match_exit_with_2(evaluate, bundle):
    code, _, err = evaluate(bundle, '--overrides', 'data.labels=[red, blue, green]')

    assert code == 2
    assert 'the class lists must match' in err


def test_a_model_of_other_classes_exits_with_1(evaluate, bundle, tmp_path):
    shutil.copyfile(bundle / 'model.onnx', tmp_path / 'model.onnx')
    overrides = ('--overrides', 'data.labels=[red, green, blue, white]')
    code, _, err = evaluate(tmp_path / 'model.onnx', '--experiment_path', TINY, *overrides)

    assert code == 1
    assert 'expected (P, 4) and (P, 5) for 4 labels' in err


def test_int8_for_tensorrt_is_compared_with_the_float_model(bundle, tiny_config):
    stages = chain_stages(
        load_bundle(bundle), tiny_config.architecture, ema=tiny_config.train.ema, precision='INT8'
    )

    assert [(stage.name, stage.before) for stage in stages] == [
        ('checkpoint', None),
        ('SavedModel', 'checkpoint'),
        ('ONNX', 'SavedModel'),
        ('FP16', 'ONNX'),
        ('INT8 CPU', 'ONNX'),
        ('INT8 TRT', 'ONNX'),
        ('engine INT8', 'INT8 TRT'),
    ]


def test_a_stage_after_an_absent_one_is_compared_with_the_one_before(bundle, tiny_config):
    stages = {
        stage.name: stage
        for stage in chain_stages(
            load_bundle(bundle), tiny_config.architecture, ema=tiny_config.train.ema
        )
    }

    assert find_before(stages['ONNX'], stages, {'checkpoint'}) == 'checkpoint'
    assert find_before(stages['ONNX'], stages, {'checkpoint', 'SavedModel'}) == 'SavedModel'
    assert find_before(stages['INT8 CPU'], stages, set()) is None


def test_thresholds_of_evaluation_keep_the_tail_of_recall():
    settings = yaml.safe_load((CONFIG_ROOT / 'base/eval/default.yaml').read_text())['eval']

    assert settings['nms'] == {
        'score_threshold': 0.01,
        'iou_threshold': 0.45,
        'per_class_top_k': 400,
        'max_detections_per_image': 200,
    }


def test_help_needs_no_heavy_library():
    code = (
        'import sys\nfrom ssd_training import evaluate\n'
        'try:\n    evaluate.main(["--help"])\n'
        'except SystemExit as end:\n'
        '    print(end.code, sorted({"jinja2", "keras", "onnxruntime", "tensorflow"} & '
        'set(sys.modules)))'
    )
    process = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert process.stdout.splitlines()[-1] == '0 []'


def test_perfect_detections_in_a_coco_file_score_1(evaluate, perfect, tmp_path):
    path = write(tmp_path / 'detections.json', perfect)
    code, out, _ = evaluate(path, '--experiment_path', TINY, '--json')

    assert code == 0
    metrics = json.loads(out)['stages'][0]['metrics']
    assert metrics['mean_ap'] == pytest.approx(1)
    assert metrics['mean_ap_75'] == pytest.approx(1)
    assert not any(error['count'] for error in metrics['errors'])
    assert {best['f1'] for of_class in metrics['by_class'] if (best := of_class['best'])} == {1.0}
    # Nothing of the detections was left out or suppressed here.
    assert set(metrics['origin']['settings']) == {'interpolation', 'iou_threshold'}


def change(entries, **fields):
    return [entries[0] | fields, *entries[1:]]


@pytest.mark.parametrize(
    ('fields', 'message'),
    [
        ({'image_id': None}, 'entry 0: image_id None: expected'),
        ({'score': float('nan')}, 'entry 0: score nan: expected a number in [0, 1]'),
        ({'bbox': [100, 10, 40, 10]}, 'leaves the image of 120x90 px'),
        ({'bbox': [30, 10, -20, 10]}, 'entry 0: bbox [30, 10, -20, 10]: expected'),
        ({'category_id': 1.5}, 'entry 0: category_id 1.5: expected'),
    ],
)
def test_detections_that_can_not_be_scored_exit_with_1_and_are_named(
    evaluate, perfect, tmp_path, fields, message
):
    path = write(tmp_path / 'wrong.json', change(perfect, **fields))
    code, out, err = evaluate(path, '--experiment_path', TINY)

    assert (code, out) == (1, '')
    assert message in err


def test_results_are_scored_by_the_category_ids_of_the_annotation_file(tmp_path, tiny_config):
    """Perfect detections scored 0.0000 with exit code 0."""
    categories = [{'id': 4, 'name': 'green '}, {'id': 9, 'name': 'red'}, {'id': 2, 'name': 'sky'}]
    (tmp_path / 'val.json').write_text(json.dumps({'categories': categories}))
    coco = CocoSettings('{split}.json', '{split}')
    data = replace(tiny_config.data, dataset_name='coco', coco=coco, root=str(tmp_path))

    # tiny.yaml's labels are red, green, blue.
    assert number_categories(data) == {'4': 2, '9': 1, '2': None}
    assert number_categories(tiny_config.data) == {'1': 1, '2': 2, '3': 3}
    (tmp_path / 'val.json').unlink()
    with pytest.raises(EvaluationError, match='val.json: can not be read'):
        number_categories(data)


def test_an_empty_ground_truth_exits_with_1(evaluate, tmp_path):
    path = write(tmp_path / 'none.json', [])
    overrides = ('data.labels=[violet]', 'data.unknown_classes=ignore')
    code, _, err = evaluate(path, '--experiment_path', TINY, '--overrides', *overrides)

    assert code == 1
    assert 'val: nothing to learn or to score: 7 are of classes that data.labels lacks' in err


@pytest.mark.parametrize(
    ('name', 'message'),
    [
        ('missing.onnx', 'missing.onnx: no such file or folder; expected a bundle'),
        ('notes.txt', 'notes.txt: is nothing that can be scored; expected a bundle'),
        ('folder', 'folder: is nothing that can be scored'),
        ('model.engine', 'model.engine: '),
    ],
)
def test_what_can_not_be_scored_is_named(evaluate, tmp_path, name, message):
    if name == 'folder':
        (tmp_path / name).mkdir()
    elif not name.startswith('missing'):
        (tmp_path / name).write_bytes(b'nothing')
    code, _, err = evaluate(tmp_path / name, '--experiment_path', TINY)

    assert code == 1
    assert message in err


def test_a_model_without_an_experiment_exits_with_2(evaluate, tmp_path):
    (tmp_path / 'model.onnx').write_bytes(b'')
    code, _, err = evaluate(tmp_path / 'model.onnx')

    assert code == 2
    assert '--experiment_path is missing' in err


@pytest.mark.parametrize(
    'name', ['.', 'weights/best_weights.weights.h5', 'checkpoints/last/ckpt-3.npz']
)
def test_a_checkpoint_in_a_run_is_scored_with_the_experiment_of_the_run(
    tiny_config, tmp_path, name
):
    write_json(tmp_path / 'config.json', asdict(tiny_config))
    experiment = Experiment(None, CONFIG_ROOT, [], {})
    config = read_experiment(tmp_path / name, None, experiment)

    assert config == tiny_config
    stage = find_stage(
        tmp_path / name, None, architecture=config.architecture, ema=config.train.ema
    )
    assert stage.name == 'checkpoint'


def test_a_run_of_another_version_says_how_to_score_it(evaluate, tmp_path):
    write(tmp_path / 'config.json', {'experiment': {'id': 'old', 'name': 'old'}})
    code, _, err = evaluate(tmp_path)

    assert code == 1
    assert 'was written by another version' in err
    assert '--experiment_path' in err


def test_the_table_of_one_model_names_classes_errors_and_speed(evaluate, bundle):
    _, out, _ = evaluate(bundle)

    assert 'points of mAP lost to errors: classification' in out
    assert {'red', 'green', 'blue'} <= {line.split(' ')[0] for line in out.splitlines()}
    assert 'ms an image, side by side: decode' in out


def test_a_report_holds_page_figures_and_matches(evaluate, bundle, tmp_path):
    code, _, err = evaluate(bundle, '--report', tmp_path / 'report')

    assert code == 0
    assert f'report: {tmp_path}/report/report.html' in err
    files = {path.name for path in (tmp_path / 'report').iterdir()}
    assert files == {'report.html', 'metrics.json', 'matches.npz'}
    result = read_result(tmp_path / 'report/metrics.json')
    assert result.labels == ('red', 'green', 'blue')
    assert 'sha256' in result.origin.source


def test_a_chain_writes_one_report_a_stage(evaluate, bundle, tmp_path):
    evaluate('--chain', bundle, '--report', tmp_path)

    assert {path.name for path in tmp_path.iterdir()} == {'chain.json', 'onnx'}


def test_equal_results_can_not_be_told_apart(evaluate, bundle, tmp_path):
    evaluate(bundle, '--report', tmp_path / 'a')
    code, out, _ = evaluate(
        '--compare', tmp_path / 'a', tmp_path / 'a/metrics.json', '--report', tmp_path / 'ab'
    )

    assert code == 0
    assert 'A and B find the same on these 4 images' in out
    assert (tmp_path / 'ab/comparison.html').is_file()
    tree = json.loads((tmp_path / 'ab/comparison.json').read_text())
    assert tree['mean_ap']['difference'] == 0


def test_perfect_detections_are_better_than_those_of_a_model(evaluate, bundle, perfect, tmp_path):
    path = write(tmp_path / 'perfect.json', perfect)
    evaluate(bundle, '--report', tmp_path / 'a')
    code, out, _ = evaluate('--compare', tmp_path / 'a', path, '--experiment_path', TINY)

    assert code == 0
    assert 'B is better than A: +' in out
    assert 'blue' in out


def test_results_of_other_labels_are_not_compared(evaluate, bundle, tmp_path):
    evaluate(bundle, '--report', tmp_path / 'a')
    path = write(tmp_path / 'b.json', [])
    code, _, err = evaluate(
        *('--compare', tmp_path / 'a', path, '--experiment_path', TINY),
        *('--overrides', 'data.labels=[red, blue, green]'),
    )

    assert code == 1
    assert 'labels: red, green, blue against red, blue, green' in err


def test_results_at_other_settings_are_not_compared(evaluate, bundle, tmp_path):
    evaluate(bundle, '--report', tmp_path / 'a')
    path = write(tmp_path / 'b.json', [])
    code, _, err = evaluate(
        *('--compare', tmp_path / 'a', path, '--experiment_path', TINY),
        *('--overrides', 'eval.interpolation=area'),
    )

    assert code == 1
    assert 'interpolation: 11point in' in err


@pytest.mark.parametrize('file', ['metrics.json', 'matches.npz'])
def test_a_report_that_lost_a_file_is_named(evaluate, bundle, tmp_path, file):
    evaluate(bundle, '--report', tmp_path)
    (tmp_path / file).unlink()
    code, _, err = evaluate('--compare', tmp_path, tmp_path)

    assert code == 1
    assert f'{file}: can not be read' in err


def test_the_progress_is_lines_in_a_file_and_a_bar_on_a_terminal():
    shown = {}
    for is_terminal in (False, True):
        console = Console(file=io.StringIO(), force_terminal=is_terminal, width=100)
        with open_progress(console, 'ONNX') as on_progress:
            for done in np.arange(1, 402):
                on_progress(int(done), 401)
        shown[is_terminal] = console.file.getvalue()

    assert shown[False].splitlines() == [f'ONNX: {done}/401 images' for done in (200, 400, 401)]
    assert '401/401' in shown[True]
    assert '\x1b[' in shown[True]
