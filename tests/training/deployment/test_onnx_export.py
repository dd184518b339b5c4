"""ONNX and bundles."""

import dataclasses

import numpy as np
import onnx
from onnx import helper
import pytest
import yaml

from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.errors import ConfigError, SsdDetectorError
from ssd_detector.preprocess import preprocess
from ssd_training.deployment.build import Build
from ssd_training.deployment.conversion import export_onnx
from ssd_training.deployment.model_card import read_card_notes, write_model_card
from ssd_training.deployment.steps import export_bundle
from ssd_training.deployment.trained_model import load_deploy_config, read_trained_model
from ssd_training.deployment.validation import compare, keras_runner
from ssd_training.errors import WeightsError
from ssd_training.model.serving import Serving
from ssd_training.quantization.raw_heads import reorder_coordinates
from ssd_training.targets.priors import generate_priors
from ssd_training.train import CONFIG_ROOT
from ssd_training.training.pretrained import load_pretrained
from ssd_training.training.step.building import build_model
from tests import reference
from tests.training.conftest import TINY

PHOTOGRAPHS = ('astronaut', 'coffee', 'chelsea', 'motorcycle_left')


def make_serving(model, config):
    priors_cxcywh = generate_priors(config.priors, config.input_size)
    return Serving(model, priors_cxcywh, config.priors.variances)


def photograph(name):
    import skimage.data

    if name == 'motorcycle_left':
        return skimage.data.stereo_motorcycle()[0]
    return getattr(skimage.data, name)()


@pytest.fixture(scope='module')
def coco(load, pretrained_path, tmp_path_factory):
    """Export exp002_ssdlite with the untouched COCO weights; slow, for it takes 17 s of CPU."""
    pretrained_path('mobilenetv2_ssdlite_coco_voc20.npz')
    config = load('exp002_ssdlite')
    model = build_model(config.architecture)
    load_pretrained(model, config.architecture, trained_statistics=())
    path = tmp_path_factory.mktemp('coco') / 'model.onnx'
    serving = make_serving(model, config)
    export_onnx(serving, path, opset=17)
    return serving, path


@pytest.mark.slow
@pytest.mark.parametrize('name', PHOTOGRAPHS)
def test_onnx_equals_keras_within_1e_5_on_photographs(coco, name):
    serving, path = coco

    run = OnnxRuntimeBackend(path, num_threads=1).run_batch
    images = [preprocess(photograph(name), 300)]
    difference = compare('model.onnx', run, keras_runner(serving), images)

    assert difference.boxes <= 1e-5
    assert difference.scores <= 1e-5


@pytest.mark.slow
@pytest.mark.parametrize(
    ('name', 'label', 'box'),
    [
        ('astronaut', 'person', (0.03, 0.03, 0.73, 0.99)),
        ('chelsea', 'cat', (0.00, 0.01, 0.87, 0.99)),
        ('coffee', 'diningtable', (0.00, 0.01, 1.00, 0.99)),
    ],
)
def test_the_coco_weights_find_what_their_readme_says(coco, load, name, label, box):
    _, path = coco
    labels = load('exp002_ssdlite').data.labels

    boxes_xyxy, scores = OnnxRuntimeBackend(path).run(preprocess(photograph(name), 300))

    prior, column = np.unravel_index(np.argmax(scores[:, 1:]), scores[:, 1:].shape)
    assert labels[column] == label
    assert reference.iou(boxes_xyxy[prior], box) > 0.9


@pytest.mark.slow
def test_the_depthwise_model_is_below_16_mb_and_has_no_batch_norm_left(coco):
    _, path = coco

    operations = [node.op_type for node in onnx.load(path).graph.node]

    assert path.stat().st_size < 16e6
    # What normalizes the input is one Mul and one Add or Sub; the rest decodes the boxes.
    assert operations.count('Mul') < 10 and 'BatchNormalization' not in operations


@pytest.fixture(scope='module')
def small(built):
    """Give what the small bundle was made of."""
    return read_trained_model(built.path / 'source.json')


@pytest.fixture
def deploy(tmp_path):
    path = CONFIG_ROOT / 'deploy/mobilenetv2_ssd_voc.yaml'
    tree = yaml.safe_load(path.read_text())
    tree['model_name'], tree['experiment_path'] = 'shapes', str(TINY)
    tree['deploy']['input']['size'] = [96, 96, 3]
    (tmp_path / 'deploy.yaml').write_text(yaml.safe_dump(tree))
    return load_deploy_config(tmp_path / 'deploy.yaml', CONFIG_ROOT, {})


def test_a_bundle_holds_what_was_trained_and_loads(built, small):
    bundle = load_bundle(built.bundle_path)

    assert bundle.labels == ('red', 'green', 'blue')
    manifest = bundle.manifest
    assert (manifest.input_size_px, manifest.num_priors) == (96, 648)
    assert manifest.fingerprint == '0123456789ab'
    assert manifest.metrics['val/voc_ap_50/mAP'] == 0.25
    assert manifest.metrics['parity/boxes'] < 1e-4
    priors = np.load(built.bundle_path / 'priors_cxcywh.npy')
    np.testing.assert_array_equal(
        priors, generate_priors(small.config.priors, small.config.input_size)
    )
    card = (built.bundle_path / 'MODEL_CARD.md').read_text()
    assert 'Not pretrained' in card and '0.2500' in card


def test_a_card_of_a_model_that_started_from_coco_says_so(load):
    card = write_model_card('m', load('exp002_ssdlite'), training_run='run', metrics={})

    assert '**COCO-pretrained**' in card
    assert 'Flickr' in card


def test_what_a_person_adds_stands_before_the_licence(load, tmp_path):
    path = tmp_path / 'notes.md'
    path.write_text('## Limits\n\nNot at night.\n')
    notes = read_card_notes(path)

    card = write_model_card(
        'm', load('exp002_ssdlite'), training_run='run', metrics={}, notes=notes
    )

    assert '\n\n## Limits\n\nNot at night.\n\n## Licence\n\n' in card


@pytest.mark.parametrize(
    ('content', 'said'),
    [(None, 'can not be read'), (b'\xff', 'is not UTF-8'), (b'x' * 2**20, 'expected at most')],
)
def test_notes_that_can_not_be_read_are_refused_in_words(tmp_path, content, said):
    path = tmp_path / 'notes.md'
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(SsdDetectorError, match=f'{path}: .*{said}'):
        read_card_notes(path)


@pytest.mark.parametrize(
    ('weights', 'texts'),
    [
        ('released', ['**COCO-pretrained**: the released bundle mobilenetv2_ssd_voc', 'Apache']),
        ('imagenet', ['**ImageNet-pretrained**', 'Apache-2.0']),
        ('null', ['**Not pretrained**', 'Trained from random weights.']),
        ('/x/runs/own_0123/weights/final_weights.weights.h5', ['from the weights of own_0123']),
        ('/x/runs/own_0123/checkpoints/last/ckpt-7.npz', ['from the weights of own_0123']),
        ('/bundles/cones', ['**Pretrained**: started from the weights of cones']),
        ('/x/weights/mean.weights.h5', ['started from the weights of mean.weights.h5']),
    ],
)
def test_a_card_speaks_of_the_users_data_and_start(load, weights, texts):
    config = load('tiny', f'backbone.weights={weights}', 'data.root=/home/me/cones')
    card = write_model_card('m', config, training_run='run', metrics={})

    for text in [
        *texts,
        '3 classes: red, green, blue',
        'on cones `train`',
        '(cones) are those of',
    ]:
        assert text in card
    assert 'VOC photographs' not in card and 'Flickr' not in card


def test_a_card_names_a_teacher(load):
    config = load('tiny', 'loss.distillation={teacher: /home/me/large.weights.h5, share: 0.7}')

    card = write_model_card('m', config, training_run='run', metrics={})

    assert 'It learnt from `large.weights.h5`, too (0.7 of the loss)' in card
    assert '/home/me' not in card


def test_a_card_tells_what_each_file_reaches(load):
    metrics = {'val/voc_ap_50/mAP': 0.5, 'model_int8_cpu.onnx/mAP': 0.4321}
    card = write_model_card('m', load('exp002_ssdlite'), training_run='run', metrics=metrics)

    assert '| model_int8_cpu.onnx | 0.4321 |' in card
    assert 'not with the thresholds of deploy.yaml' in card and '400 candidates a class' in card


def test_another_input_size_than_the_experiments_is_an_error(small, deploy, tmp_path):
    config, merged = deploy
    other = dataclasses.replace(
        small, config=dataclasses.replace(small.config, input_size=(64, 64))
    )

    with pytest.raises(
        ConfigError, match=r'deploy.input.size: \[96, 96, 3\]; the experiment tiny'
    ):
        export_bundle(other, Build(config, merged.tree, tmp_path / 'bundle'))


def test_weights_of_another_architecture_are_an_error_and_write_nothing(
    small, deploy, tmp_path, load
):
    config, merged = deploy
    other = dataclasses.replace(small, config=load('tiny', 'data.labels=[red, green]'))

    with pytest.raises(WeightsError, match='another architecture'):
        export_bundle(other, Build(config, merged.tree, tmp_path / 'bundle'))

    assert not (tmp_path / 'bundle').exists()


def test_coordinates_are_reordered_with_their_biases(tmp_path):
    """A convolution of 1x1 that only adds its biases, which tell where each filter went."""
    kernel, bias = np.zeros((8, 3, 1, 1), np.float32), np.arange(8, dtype=np.float32)
    kernel[:, 0, 0, 0] = 10 * bias
    graph = helper.make_graph(
        [helper.make_node('Conv', ['image', 'kernel', 'bias'], ['boxes'])],
        'heads',
        [helper.make_tensor_value_info('image', onnx.TensorProto.FLOAT, [1, 3, 1, 1])],
        [helper.make_tensor_value_info('boxes', onnx.TensorProto.FLOAT, [1, 8, 1, 1])],
        [
            onnx.numpy_helper.from_array(kernel, 'kernel'),
            onnx.numpy_helper.from_array(bias, 'bias'),
        ],
    )
    model = helper.make_model(graph)

    reorder_coordinates(model, 'boxes')

    arrays = {
        tensor.name: onnx.numpy_helper.to_array(tensor) for tensor in model.graph.initializer
    }
    np.testing.assert_array_equal(arrays['bias'], [1, 0, 3, 2, 5, 4, 7, 6])
    np.testing.assert_array_equal(arrays['kernel'][:, 0, 0, 0], 10 * arrays['bias'])
