"""The network."""

import keras
import numpy as np
import pytest

from ssd_detector.boxes import cxcywh_to_xyxy
from ssd_detector.errors import ConfigError
from ssd_training.model.backbone import build_backbone
from ssd_training.model.detector import detect
from ssd_training.targets.priors import generate_priors
from ssd_training.training.step.building import build_model

SMALL = (
    *('input_size=[96, 96]', 'priors.laid_out_at_px=null'),
    *('backbone.width_mult=0.35', 'backbone.weights=null'),
)


@pytest.fixture(scope='module', params=['exp001_baseline', 'exp002_ssdlite'])
def config(request, load):
    return load(request.param, *SMALL)


@pytest.fixture(scope='module')
def model(config):
    return build_model(config.architecture)


def previous(layer):
    """Give the layers that a layer takes its input from."""
    return [node.operation for node in layer._inbound_nodes[0].parent_nodes]


def test_there_is_a_row_of_outputs_for_each_prior(config, model):
    num_priors = len(generate_priors(config.priors, config.input_size))

    assert model.output_shape == [(None, num_priors, 4), (None, num_priors, 21)]


def test_no_two_convolutions_follow_each_other_without_activation_and_norm(model):
    convolutions = (keras.layers.Conv2D, keras.layers.DepthwiseConv2D)
    added = [layer for layer in model.layers if layer.name.startswith(('extra_', 'head_'))]
    checked = [layer for layer in added if isinstance(layer, convolutions)]

    assert len(checked) > 20
    for layer in checked:
        assert isinstance(previous(layer)[0], keras.layers.ReLU), layer.name
    for layer in added:
        if isinstance(layer, keras.layers.ReLU):
            assert isinstance(previous(layer)[0], keras.layers.BatchNormalization), layer.name


def test_extra_levels_reduce_their_channels_before_the_3x3_convolution(config, model):
    for index, level in enumerate(config.heads.extra_layers.levels, start=1):
        assert model.get_layer(f'extra_{index}_reduce').kernel_size == (1, 1)
        depthwise = model.get_layer(f'extra_{index}_depthwise')
        assert depthwise.input.shape[-1] == level.reduce_channels
        assert model.get_layer(f'extra_{index}_expand').output.shape[-1] == level.channels


def test_rows_of_a_cell_are_neighbours_in_the_order_of_its_priors(config, model):
    count = model.get_layer('head_0_box').filters // 4
    layer = model.get_layer('head_0_box')
    layer.set_weights([np.zeros(layer.kernel.shape), np.arange(count * 4)])

    offsets, _ = model(np.zeros((1, 96, 96, 3)), training=False)

    expected = np.tile(np.arange(count * 4).reshape(count, 4), (2, 1))
    np.testing.assert_array_equal(offsets[0, : 2 * count], expected)


def test_a_network_that_asks_for_no_change_detects_the_priors_themselves(config):
    model = build_model(config.architecture)
    for layer in model.layers:
        if layer.name.startswith('head_') and layer.name.endswith('_box'):
            layer.set_weights([np.zeros(variable.shape) for variable in layer.weights])
    priors_cxcywh = generate_priors(config.priors, config.input_size)
    images = np.random.default_rng(0).random((2, 96, 96, 3), np.float32)

    boxes_xyxy, scores = detect(
        model, images, priors_cxcywh, config.priors.variances, activation='softmax'
    )

    for image in range(2):
        np.testing.assert_allclose(boxes_xyxy[image], cxcywh_to_xyxy(priors_cxcywh), atol=1e-6)
    np.testing.assert_allclose(np.sum(scores, axis=-1), 1, atol=1e-5)


def test_images_are_normalized_to_plus_and_minus_one_inside_the_network(model):
    normalize = keras.Model(model.input, model.get_layer('normalize').output)

    np.testing.assert_allclose(normalize(np.zeros((1, 96, 96, 3))), -1)
    np.testing.assert_allclose(normalize(np.ones((1, 96, 96, 3))), 1)


def test_freezing_until_a_block_freezes_it_and_all_before(load):
    model = build_model(load('tiny', 'backbone.freeze_until=block_3').architecture)
    is_trainable = {layer.name: layer.trainable for layer in model.layers if layer.weights}

    assert not any(is_trainable[name] for name in ('Conv1', 'bn_Conv1', 'block_3_project_BN'))
    assert all(
        trains
        for name, trains in is_trainable.items()
        if name.startswith(('block_4', 'block_5', 'block_6', 'extra_', 'head_'))
    )


def test_an_unknown_block_is_named_with_its_nearest_neighbour(load):
    with pytest.raises(ConfigError, match=r'freeze_until: blok_6: .*did you mean block_6'):
        build_model(load('tiny', 'backbone.freeze_until=blok_6').architecture)


def test_a_block_behind_the_last_map_can_not_be_frozen(load):
    with pytest.raises(ConfigError, match='freeze_until: block_7: the backbone ends with block_6'):
        build_model(load('tiny', 'backbone.freeze_until=block_7').architecture)


def test_the_backbone_ends_with_the_last_map_that_is_wanted_and_extra_levels_start_there(load):
    model = build_model(load('tiny').architecture)

    assert previous(model.get_layer('extra_1_reduce'))[0].name == 'block_6_expand_relu'
    assert 'block_6_depthwise' not in {layer.name for layer in model.layers}


def test_every_batch_norm_has_the_momentum_that_is_set(load):
    model = build_model(load('tiny', 'backbone.bn_momentum=0.9').architecture)

    momenta = [layer.momentum for layer in model.layers if hasattr(layer, 'momentum')]

    assert len(momenta) > 20
    assert set(momenta) == {0.9}


def round_channels(channels):
    """To a multiple of 8, and never down by more than a tenth (the authors' make_divisible)."""
    rounded = max(8, int(channels + 4) // 8 * 8)
    return rounded + 8 if rounded < 0.9 * channels else rounded


@pytest.mark.parametrize('width_mult', [0.35, 1.3])
def test_channels_are_rounded_as_in_the_pretrained_weights(load, width_mult):
    settings = load('tiny', f'backbone.width_mult={width_mult}').backbone

    backbone, _ = build_backbone(keras.Input((64, 64, 3)), settings)

    for name, channels in (('Conv1', 32), ('block_6_project', 64), ('block_13_project', 160)):
        assert backbone.get_layer(name).filters == round_channels(channels * width_mult), name
