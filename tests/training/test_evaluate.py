"""The command that scores models, as a process and in this one."""

import json
from pathlib import Path
import subprocess
import sys

import pytest
import yaml

from ssd_detector.bundle import load_bundle
from ssd_training.data.datasets import read_split
from ssd_training.engine.stages import chain_stages
from ssd_training.evaluate import CONFIG_ROOT, main
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


def test_a_bundle_is_scored_with_class_names(evaluate, bundle):
    code, out, err = evaluate(bundle, '--json')

    stage = json.loads(out)['stages'][0]
    assert code == 0
    assert 0 <= stage['mAP'] <= 1
    assert set(stage['ap_by_label']) == {'red', 'green', 'blue'}
    assert 'ONNX: 4/4 images' in err


def test_a_map_below_the_gate_exits_with_1(evaluate, bundle):
    code, _, err = evaluate(bundle, '--min-map', '1.1')

    assert code == 1
    assert 'min-map 1.1' in err


def test_the_chain_names_absent_stages_with_the_reason(evaluate, bundle):
    code, out, _ = evaluate('--chain', bundle)

    assert code == 0
    assert 'model_int8_cpu.onnx is not in the bundle' in out
    assert 'not given; add --checkpoint' in out


def test_a_stage_that_loses_more_than_allowed_exits_with_1(evaluate, bundle, monkeypatch):
    monkeypatch.setattr('ssd_training.engine.stages.INT8_CPU', 'model.onnx')
    code, _, err = evaluate('--chain', bundle, '--max-loss', '-0.5')

    assert code == 1
    assert 'INT8 CPU: loses 0.0000 mAP; allowed -0.5' in err


def test_class_lists_that_do_not_match_exit_with_2(evaluate, bundle):
    code, _, err = evaluate(bundle, '--overrides', 'data.labels=[red, blue, green]')

    assert code == 2
    assert 'the class lists must match' in err


def test_int8_for_tensorrt_is_compared_with_the_float_model(bundle, tiny_config):
    stages = chain_stages(load_bundle(bundle), tiny_config, None)

    assert [(stage.name, stage.before) for stage in stages] == [
        ('checkpoint', None),
        ('ONNX', 'checkpoint'),
        ('INT8 CPU', 'ONNX'),
        ('INT8 TRT', 'ONNX'),
    ]


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
        '    print(end.code, sorted({"keras", "onnxruntime", "tensorflow"} & set(sys.modules)))'
    )
    process = subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)

    assert process.stdout.splitlines()[-1] == '0 []'


def test_perfect_detections_in_a_coco_file_score_1(evaluate, tiny_config, tmp_path):
    entries = []
    for record in read_split(tiny_config.data, tiny_config.data.val_split):
        truths = record.ground_truths
        for (x1, y1, x2, y2), class_id in zip(
            truths.boxes_xyxy.tolist(), truths.class_ids.tolist(), strict=True
        ):
            box = [x1, y1, x2 - x1, y2 - y1]
            entries.append(
                {'image_id': int(record.image_id), 'category_id': class_id, 'bbox': box}
                | {'score': 0.5}
            )
    path = tmp_path / 'detections.json'
    path.write_text(json.dumps(entries))

    code, out, _ = evaluate(path, '--experiment_path', TINY, '--json')

    assert code == 0
    stage = json.loads(out)['stages'][0]
    assert stage['mAP'] == pytest.approx(1)
    assert not any(stage['errors'].values())
    assert all(point['f1'] in (1, None) for point in stage['best_f1'])


def test_an_engine_needs_the_tensorrt_backend(evaluate):
    code, _, err = evaluate('model.engine', '--experiment_path', TINY)

    assert code == 1
    assert 'needs the TensorRT backend' in err


def test_the_table_of_one_model_names_classes_and_errors(evaluate, bundle):
    _, out, _ = evaluate(bundle)

    assert 'errors among all detections: classification' in out
    assert {'red', 'green', 'blue'} <= {line.split(' ')[0] for line in out.splitlines()}
