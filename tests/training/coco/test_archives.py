"""What the archives hold: the published weights, folded, with the rows of their classes."""

import json
from pathlib import Path
import re

import cv2
import keras
import numpy as np
import pytest

from ssd_detector.preprocess import preprocess
from ssd_training.coco.archives import write_archives
from ssd_training.coco.tfjs import GraphModel
from ssd_training.errors import WeightsError
from ssd_training.model.coco_labels import COCO_IDS, VOC_IDS
from ssd_training.model.weights import read_archive
from ssd_training.runs.start_weights import COCO80_ARCHIVE as COCO
from ssd_training.runs.start_weights import COCO_ARCHIVE as VOC
from ssd_training.training.pretrained import load_pretrained
from ssd_training.training.step.building import build_float_model
from tests.training.coco.made_model import NUM_ROWS


def write(tensors, folder, **options):
    write_archives(GraphModel(Path('package.tgz'), tensors), folder, **options)


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


@pytest.mark.parametrize(
    ('part', 'num_missing'),
    [('BoxPredictor_5', 14), ('expanded_conv_3/depthwise/BatchNorm/batchnorm/mul', 1)]
    + [('BoxPredictor_0/ClassPredictor_depthwise/BatchNorm/moving_mean', 1)],
)
def test_of_another_network_nothing_is_written(part, num_missing, tensors, tmp_path):
    others = {name: tensor for name, tensor in tensors.items() if part not in name}
    with pytest.raises(WeightsError) as error:
        write(others, tmp_path / 'weights')
    assert re.fullmatch(
        rf'package.tgz: {num_missing} tensors are missing, such as .*{part}.*; expected '
        r'ssdlite_mobilenet_v2_coco_2018_05_09, as TensorFlow.js has it',
        str(error.value),
    )
    assert not (tmp_path / 'weights').exists()


@pytest.mark.parametrize(
    ('name', 'shape'),
    [
        # A detector of other classes, a narrower one, and what is no vector at all.
        ('BoxPredictor_0/ClassPredictor/weights', (1, 1, 576, 9)),
        ('FeatureExtractor/MobilenetV2/Conv/Conv2D/merged_input', (3, 3, 3, 16)),
        ('FeatureExtractor/MobilenetV2/expanded_conv/depthwise/BatchNorm/batchnorm/mul', ()),
    ],
)
def test_a_detector_of_other_shapes_is_refused(name, shape, tensors, tmp_path):
    others = tensors | {name: np.zeros(shape, np.float32)}
    with pytest.raises(WeightsError) as error:
        write(others, tmp_path)
    assert f'1 tensors are of other shapes, such as {name}: {shape}, not (' in str(error.value)


def test_the_same_weights_give_the_same_file(folder, tensors, tmp_path):
    """Its content is part of the fingerprint of each training that starts from it."""
    write(tensors, tmp_path)
    assert (tmp_path / VOC).read_bytes() == (folder / VOC).read_bytes()


def test_statistics_are_those_of_the_convolutions_on_photographs(
    folder, tensors, pictures, load, tmp_path
):
    paths = [picture.write(tmp_path / 'photographs') for picture in pictures[:9]]
    write(tensors, tmp_path, photographs=tmp_path / 'photographs')

    images = np.concatenate([preprocess(cv2.imread(path)[..., ::-1], 300) for path in paths])
    kernel = tensors['FeatureExtractor/MobilenetV2/Conv/Conv2D/merged_input']
    # Keras pads by a layer of its own: a pixel at the right and at the bottom.
    padded = np.pad(2 * images - 1, ((0, 0), (0, 1), (0, 1), (0, 0)))
    raw = np.asarray(keras.ops.conv(padded, kernel, strides=2)).astype(np.float64)
    for name in (VOC, COCO):
        archive = np.load(tmp_path / name)
        np.testing.assert_allclose(archive['Conv1/bn_mean'], raw.mean((0, 1, 2)), atol=1e-3)
        np.testing.assert_allclose(archive['Conv1/bn_var'], raw.var((0, 1, 2)), rtol=1e-3)
        assert set(np.load(folder / name).files) < set(archive.files)
    assert 'beside statistics' in (tmp_path / VOC).with_suffix('.json').read_text()

    config = load('exp002_ssdlite', f'backbone.weights={tmp_path / VOC}')
    network = build_float_model(config.architecture)
    load_pretrained(network, config.architecture, trained_statistics=['backbone.freeze_bn'])
