"""Every key of the reference's deploy configs is honoured, or rejected with a sentence."""

import pytest
import yaml

from ssd_detector.errors import ConfigError
from ssd_training.deployment.trained_model import load_deploy_config
from ssd_training.train import CONFIG_ROOT
from tests.training.deploy_config import write_deploy_config

HONOURED = {
    'model_name': 'other',
    'experiment_path': 'experiments/smoke.yaml',
    'deploy.input.size': [320, 320, 3],
    'deploy.input.format': 'NHWC',
    'deploy.input.color_space': 'RGB',
    'deploy.post_processing.score_threshold': 0.65,
    'deploy.post_processing.nms_iou_threshold': 0.4,
    'deploy.post_processing.max_detections': 7,
    'deploy.post_processing.per_class_top_k': 50,
    'deploy.runtime.precision': 'FP16',
    'deploy.runtime.batch_size': 'dynamic',
    'deploy.runtime.opset': 18,
}
REJECTED = {
    'engine_path': '--engine_folder',
    'deploy.engine_path': '--engine_folder',
    'deploy.saved_model_path': '--output_dir',
    'deploy.onnx_path': '--output_dir',
    'deploy.quantized_onnx_path': '--output_dir',
    'deploy.input.mean': 'part of the network',
    'deploy.input.std': 'part of the network',
    'deploy.priors.variances': 'section priors',
    'deploy.classes.num_classes': 'data.labels',
    'deploy.classes.root': 'data.labels',
    'deploy.classes.use_sigmoid': 'loss.classification.type',
}


@pytest.fixture
def load(tmp_path):
    """Load a deploy config with some keys changed."""

    def load_with(changes):
        path = write_deploy_config(tmp_path / 'deploy.yaml')
        tree = yaml.safe_load(path.read_text())
        for key_path, value in changes.items():
            *sections, key = key_path.split('.')
            node = tree
            for section in sections:
                node = node.setdefault(section, {})
            node[key] = value
        path.write_text(yaml.safe_dump(tree))
        config, _ = load_deploy_config(path, CONFIG_ROOT, {'NUM': '3'})
        return config

    return load_with


@pytest.mark.parametrize('key_path', HONOURED)
def test_a_key_arrives(load, key_path):
    node = load({key_path: HONOURED[key_path]})
    for part in key_path.split('.'):
        node = getattr(node, part)

    assert (list(node) if isinstance(node, tuple) else node) == HONOURED[key_path]


def findings_of(load, changes):
    with pytest.raises(ConfigError) as error:
        load(changes)
    return error.value.findings


@pytest.mark.parametrize('key_path', REJECTED)
def test_a_key_that_is_none_here_says_what_to_do(load, key_path):
    findings = [
        finding for finding in findings_of(load, {key_path: 1}) if 'no key here; ' in finding
    ]

    assert any(REJECTED[key_path] in finding for finding in findings)
    assert key_path.startswith(findings[0].partition(': ')[2].partition(': no key')[0])


def test_everything_wrong_is_said_at_once(load):
    findings = findings_of(load, {'engine_path': 'x', 'deploy.onnx_path': 'y', 'modell_name': 'z'})

    assert ['no key here' in finding for finding in findings] == [True, True, False]
    assert 'did you mean model_name?' in findings[2]


@pytest.mark.parametrize(
    ('key_path', 'value', 'said'),
    [
        ('deploy.input.format', 'NCHW', 'deploy.input.format'),
        ('deploy.input.color_space', 'BGR', 'deploy.input.color_space'),
        ('deploy.input.size', [300, 400, 3], 'is no square RGB input'),
        ('deploy.runtime.precision', 'INT4', 'deploy.runtime.precision'),
        ('deploy.runtime.batch_size', 4, 'deploy.runtime.batch_size'),
        ('deploy.post_processing.score_threshold', 1.2, 'is outside [0.0, 1.0]'),
        ('deploy.benchmark.threads', [0], 'deploy.benchmark.threads.0'),
        ('deploy.prediction.max_frames', 3, 'deploy.prediction.source: missing'),
    ],
)
def test_a_value_that_can_not_be_honoured_is_named(load, key_path, value, said):
    assert said in '\n'.join(findings_of(load, {key_path: value}))


def test_variables_are_replaced_as_in_experiments(load):
    assert load({'deploy.post_processing.max_detections': '${NUM}'}).deploy.post_processing == (
        load({'deploy.post_processing.max_detections': 3}).deploy.post_processing
    )


def test_prediction_and_benchmark_are_sections(load):
    deploy = load(
        {'deploy.prediction.source': 'photographs', 'deploy.benchmark.threads': [1, 2]}
    ).deploy

    assert (deploy.prediction.source, deploy.benchmark.threads) == ('photographs', (1, 2))


def test_a_folder_in_the_place_of_a_deploy_config_names_the_one_in_it(tmp_path):
    for name in ('deploy.yaml', 'experiment.yaml'):
        (tmp_path / name).touch()

    with pytest.raises(ConfigError, match=f'is a folder; give {tmp_path}/deploy.yaml'):
        load_deploy_config(tmp_path, CONFIG_ROOT, {})
