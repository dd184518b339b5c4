"""The detector network: backbone, extra levels, heads."""

from collections.abc import Sequence
from typing import Any

import keras
from keras import layers

from ssd_training.experiments.model_schema import BackboneSettings, HeadsSettings, LevelSettings
from ssd_training.model.backbone import batch_norm_name, build_backbone

INPUT_NAME = 'input_image'
# As in keras.applications.MobileNetV2.
BATCH_NORM_EPSILON = 1e-3
_BATCH_NORM_MOMENTUM = 0.999


def build_ssd(
    *,
    input_size_hw: tuple[int, int],
    num_classes: int,
    priors_per_cell: Sequence[int],
    backbone: BackboneSettings,
    heads: HeadsSettings,
) -> keras.Model:
    """
    Build the network with random weights.

    :param input_size_hw: height and width, px
    :param num_classes: C + 1, with the background
    :param priors_per_cell: for each feature map
    :param backbone: the section `backbone`
    :param heads: the section `heads`
    :return: images (B, H, W, 3) float32 in [0, 1] -> offsets (B, P, 4) as tcx, tcy, tw, th and
        logits (B, P, C + 1); priors in the order map, row, column, prior of the cell
    """
    images = keras.Input((*input_size_hw, 3), name=INPUT_NAME)
    normalized = layers.Rescaling(2.0, offset=-1.0, name='normalize')(images)
    network, feature_maps = build_backbone(normalized, backbone)
    top = network.output
    for index, level in enumerate(heads.extra_layers.levels, start=1):
        top = _add_extra_level(top, level, f'extra_{index}')
        feature_maps.append(top)
    outputs = {}
    for kind, channels in (('box', 4), ('cls', num_classes)):
        rows = [
            _add_head(feature_map, f'head_{index}_{kind}', priors_per_cell[index], channels, heads)
            for index, feature_map in enumerate(feature_maps)
        ]
        outputs[kind] = layers.Concatenate(axis=1, name=f'{kind}_rows')(rows)
    return keras.Model(images, [outputs['box'], outputs['cls']], name='ssd')


def _add_extra_level(features: Any, level: LevelSettings, name: str) -> Any:
    """Halve a feature map: 1x1 reduce, 3x3 depthwise with stride 2, 1x1 expand."""
    reduce = layers.Conv2D(level.reduce_channels, 1, use_bias=False, name=f'{name}_reduce')
    depthwise = layers.DepthwiseConv2D(
        3, strides=2, padding='same', use_bias=False, name=f'{name}_depthwise'
    )
    expand = layers.Conv2D(level.channels, 1, use_bias=False, name=f'{name}_expand')
    for layer in (reduce, depthwise, expand):
        features = _normalize_and_activate(layer(features), layer.name)
    return features


def _add_head(
    features: Any, name: str, num_priors: int, channels: int, heads: HeadsSettings
) -> Any:
    """Predict `channels` numbers for each prior of each cell: (B, cells * priors, channels)."""
    if heads.head_type == 'depthwise':
        first = layers.DepthwiseConv2D(3, padding='same', use_bias=False, name=f'{name}_depthwise')
        kernel_size = 1
    else:
        first = layers.Conv2D(
            heads.intermediate_channels, 3, padding='same', use_bias=False, name=f'{name}_conv'
        )
        kernel_size = 3
    features = _normalize_and_activate(first(features), first.name)
    predict = layers.Conv2D(
        num_priors * channels,
        kernel_size,
        padding='same',
        # All classes start nearly equal: no loss to unlearn first.
        kernel_initializer=keras.initializers.RandomNormal(stddev=0.01),
        name=name,
    )
    features = predict(features)
    return layers.Reshape((-1, channels), name=f'{name}_rows')(features)


def _normalize_and_activate(features: Any, layer_name: str) -> Any:
    normalized = layers.BatchNormalization(
        epsilon=BATCH_NORM_EPSILON,
        momentum=_BATCH_NORM_MOMENTUM,
        name=batch_norm_name(layer_name),
    )(features)
    return layers.ReLU(6.0, name=f'{layer_name}_relu')(normalized)
