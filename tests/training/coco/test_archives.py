"""What the archives hold: the published weights, folded, with the rows of their classes."""

import json

import keras
import numpy as np
import pytest

from ssd_training.coco.archives import write_archives
from ssd_training.coco.labels import COCO_IDS, VOC_IDS
from ssd_training.errors import WeightsError
from ssd_training.model.weights import read_archive
from ssd_training.training.pretrained import load_pretrained
from ssd_training.training.step.building import build_model
from ssd_training.training.trained import load_float
from tests.training.coco.made_model import draw_tensors, NUM_ROWS

VOC, COCO = 'mobilenetv2_ssdlite_coco_voc20.npz', 'mobilenetv2_ssdlite_coco80.npz'


@pytest.fixture(scope='module')
def tensors():
    return draw_tensors()


@pytest.fixture(scope='module')
def folder(tensors, tmp_path_factory):
    folder = tmp_path_factory.mktemp('weights')
    assert write_archives(tensors, folder) == [folder / VOC, folder / COCO]
    return folder


def test_they_fill_the_whole_network_but_for_statistics(folder, load, caplog):
    caplog.set_level('INFO')
    config = load('exp002_ssdlite', f'backbone.weights={folder / VOC}')
    network = build_model(config.architecture)
    with pytest.raises(WeightsError, match='no statistics of BatchNorm'):
        load_pretrained(network, config.architecture, trained_statistics=['backbone.freeze_bn'])
    load_pretrained(network, config.architecture, trained_statistics=())
    assert 'filled' in caplog.text
    assert 'random start' not in caplog.text and 'not in the model' not in caplog.text


def test_a_depthwise_layer_of_a_head_computes_what_its_batch_norm_did(folder, tensors):
    origin = 'BoxPredictor_0/ClassPredictor_depthwise'
    images = np.random.default_rng(1).normal(size=(1, 5, 5, 576)).astype(np.float32)
    convolved = keras.ops.depthwise_conv(
        images, tensors[f'{origin}/depthwise_weights'], padding='same'
    )
    gamma, beta, mean, variance = (
        tensors[f'{origin}/BatchNorm/{part}']
        for part in ('gamma', 'beta', 'moving_mean', 'moving_variance')
    )
    expected = gamma * (np.asarray(convolved) - mean) / np.sqrt(variance + 1e-3) + beta

    archive = np.load(folder / VOC)
    kernel, bias = (archive[f'head_0_cls_depthwise/{part}'] for part in ('kernel', 'bias'))
    received = keras.ops.depthwise_conv(images, kernel, padding='same') + bias

    np.testing.assert_allclose(received, expected, rtol=1e-4, atol=1e-4)


def test_a_depthwise_layer_of_the_backbone_is_scaled_by_channel(folder, tensors):
    origin = 'FeatureExtractor/MobilenetV2/expanded_conv_16/depthwise'
    archive = np.load(folder / VOC)
    for channel in (0, 7, 959):
        expected = (
            tensors[f'{origin}/depthwise_weights'][..., channel, 0]
            * tensors[f'{origin}/BatchNorm/batchnorm/mul'][channel]
        )
        received = archive['block_16_depthwise/kernel'][..., channel, 0]
        np.testing.assert_array_equal(received, expected)
    bias = tensors[f'{origin}/BatchNorm/batchnorm/sub']
    np.testing.assert_array_equal(archive['block_16_depthwise/bias'], bias)


@pytest.mark.parametrize(
    ('name', 'label', 'coco_id'),
    [(VOC, 'background', 0), (VOC, 'sofa', 63), (VOC, 'tvmonitor', 72), (COCO, 'person', 1)]
    + [(COCO, 'stop sign', 13), (COCO, 'toothbrush', 90), (COCO, 'laptop', 73)],
)
def test_a_label_has_the_row_of_its_coco_id(name, label, coco_id, folder, tensors):
    described = json.loads((folder / name).with_suffix('.json').read_text())['classes']
    (row,) = (entry['row'] for entry in described if entry['name'] == label)
    values = read_archive(folder / name)['head_1_cls']
    origin = 'BoxPredictor_1/ClassPredictor'
    published = [tensors[f'{origin}/weights'], tensors[f'{origin}/biases']]
    for received, expected in zip(values, published, strict=True):
        for prior in range(6):
            np.testing.assert_array_equal(
                received[..., prior * len(described) + row],
                expected[..., prior * NUM_ROWS + coco_id],
            )


def test_the_labels_are_those_of_the_data_sets(load):
    assert tuple(VOC_IDS) == load('exp002_ssdlite').data.labels
    # The gaps of COCO's ids.
    missing = set(range(1, NUM_ROWS)) - set(COCO_IDS.values())
    assert missing == {12, 26, 29, 30, 45, 66, 68, 69, 71, 83}
    assert set(VOC_IDS.values()) <= set(COCO_IDS.values())


def test_own_classes_take_the_rows_of_coco_by_name(folder, load, caplog):
    caplog.set_level('INFO')
    config = load(
        'exp002_ssdlite',
        f'backbone.weights={folder / COCO}',
        'data.labels=[cup, gripper, traffic light]',
    )
    load_pretrained(build_model(config.architecture), config.architecture, trained_statistics=())
    assert '80 -> 3 classes' in caplog.text
    assert '2 of 3 labels, by name (cup, traffic light)' in caplog.text


def test_a_whole_detector_is_deployed_as_it_is(folder, load):
    config = load('exp007_coco80', f'backbone.weights={folder / COCO}')
    started = build_model(config.architecture)
    load_pretrained(started, config.architecture, trained_statistics=())
    deployed = load_float(folder / COCO, config.architecture, ema=config.train.ema)
    for received, expected in zip(deployed.weights, started.weights, strict=True):
        np.testing.assert_array_equal(received, expected, err_msg=expected.path)


def test_of_other_classes_or_a_backbone_alone_no_detector_is_deployed(folder, load, tmp_path):
    config = load('exp002_ssdlite', 'backbone.weights=null')
    with pytest.raises(WeightsError, match='its classes are person, bicycle, .* has aeroplane'):
        load_float(folder / COCO, config.architecture, ema=config.train.ema)
    whole = np.load(folder / VOC)
    backbone = {name: whole[name] for name in whole.files if name.startswith(('block', 'Conv'))}
    np.savez(tmp_path / 'backbone.npz', **backbone)
    with pytest.raises(WeightsError, match='has no values for layers: .*; it is of another'):
        load_float(tmp_path / 'backbone.npz', config.architecture, ema=config.train.ema)


def test_of_another_network_nothing_is_written(tensors, tmp_path):
    others = {name: tensor for name, tensor in tensors.items() if 'BoxPredictor_5' not in name}
    with pytest.raises(WeightsError) as error:
        write_archives(others, tmp_path / 'weights')
    assert '14 tensors are missing, such as BoxPredictor_5/' in str(error.value)
    assert 'expected ssdlite_mobilenet_v2_coco_2018_05_09' in str(error.value)
    assert not (tmp_path / 'weights').exists()


def test_a_detector_of_other_classes_is_refused(tensors, tmp_path):
    head = 'BoxPredictor_0/ClassPredictor'
    others = tensors | {
        f'{head}/weights': tensors[f'{head}/weights'][..., :9],
        f'{head}/biases': tensors[f'{head}/biases'][:9],
    }
    with pytest.raises(WeightsError, match='of other shapes .* with its 90 classes'):
        write_archives(others, tmp_path)


def test_the_same_weights_give_the_same_file(folder, tensors, tmp_path):
    """Its content is part of the fingerprint of each training that starts from it."""
    write_archives(tensors, tmp_path)
    assert (tmp_path / VOC).read_bytes() == (folder / VOC).read_bytes()
