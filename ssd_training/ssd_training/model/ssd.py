"""The detector network: backbone, extra levels, heads."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import math
import re
from typing import Any

import keras
from keras import layers

from ssd_training.experiments.loss_schema import ScoreActivation
from ssd_training.experiments.model_schema import BackboneSettings, HeadsSettings, LevelSettings
from ssd_training.model.backbone import batch_norm_name, build_backbone

INPUT_NAME = 'input_image'
# As in keras.applications.MobileNetV2.
BATCH_NORM_EPSILON = 1e-3
# A score of 0.01 (RetinaNet, arXiv:1708.02002, section 4.1).
_IMPROBABLE = -math.log(99)


def build_ssd(
    *,
    input_size_hw: tuple[int, int],
    num_classes: int,
    priors_per_cell: Sequence[int],
    backbone: BackboneSettings,
    heads: HeadsSettings,
    activation: ScoreActivation = 'softmax',
    layer_policy: str = 'float32',
) -> keras.Model:
    """
    Build the network with random weights.

    :param input_size_hw: height and width, px
    :param num_classes: C + 1, with the background
    :param priors_per_cell: for each feature map
    :param backbone: the section `backbone`
    :param heads: the section `heads`
    :param activation: of the class scores; with sigmoid all classes start out improbable
    :param layer_policy: Keras' name of what layers compute in; weights and outputs are float32
    :return: images (B, H, W, 3) float32 in [0, 1] -> offsets (B, P, 4) as tcx, tcy, tw, th and
        logits (B, P, C + 1); priors in the order map, row, column, prior of the cell
    """
    with _computing_in(layer_policy):
        return _build(
            input_size_hw,
            num_classes=num_classes,
            priors_per_cell=priors_per_cell,
            backbone=backbone,
            heads=heads,
            class_bias=0.0 if activation == 'softmax' else _IMPROBABLE,
        )


def is_of_backbone(layer_name: str) -> bool:
    """
    Tell the layers of the backbone from those of extra levels and heads.

    :param layer_name: of a layer of build_ssd's network
    :return: whether MobileNetV2 has it
    """
    return not layer_name.startswith(('extra_', 'head_'))


def is_class_head(layer_name: str) -> bool:
    """
    Tell the convolutions whose number of channels follows that of the classes.

    :param layer_name: of a layer of build_ssd's network
    :return: whether it gives logits
    """
    return re.fullmatch(r'head_\d+_cls', layer_name) is not None


def at_size(model: keras.Model, size_px: int) -> keras.Model:
    """
    Let a network take images of another size; both share every weight.

    :param model: from build_ssd
    :param size_px: side of the squares
    :return: the same layers, padded for this size where they halve the image
    """

    def call(layer: keras.Layer, features: Any, **arguments: Any) -> Any:
        if not isinstance(layer, layers.ZeroPadding2D):
            return layer(features, **arguments)
        # As MobileNetV2 does at its own size: an even side gets nothing before its first row.
        before = [side % 2 for side in features.shape[1:3]]
        padding = [(number, 1) for number in before]
        return layers.ZeroPadding2D(padding, name=layer.name, dtype=layer.dtype_policy)(features)

    return keras.models.clone_model(
        model,
        input_tensors=keras.Input((size_px, size_px, 3), name=INPUT_NAME),
        clone_function=lambda layer: layer,
        call_function=call,
    )


@contextmanager
def _computing_in(layer_policy: str) -> Iterator[None]:
    """Set the policy of the layers that are made in the block; MobileNetV2 takes no argument."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(layer_policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def _build(
    input_size_hw: tuple[int, int],
    *,
    num_classes: int,
    priors_per_cell: Sequence[int],
    backbone: BackboneSettings,
    heads: HeadsSettings,
    class_bias: float,
) -> keras.Model:
    images = keras.Input((*input_size_hw, 3), dtype='float32', name=INPUT_NAME)
    normalized = layers.Rescaling(2.0, offset=-1.0, name='normalize')(images)
    _, feature_maps = build_backbone(normalized, backbone)
    top = feature_maps[-1]
    for index, level in enumerate(heads.extra_layers.levels, start=1):
        top = _add_extra_level(top, level, f'extra_{index}')
        feature_maps.append(top)
    outputs = {}
    for kind, channels, bias in (('box', 4, 0.0), ('cls', num_classes, class_bias)):
        rows = [
            _add_head(
                feature_map,
                f'head_{index}_{kind}',
                heads,
                shape=(priors_per_cell[index], channels),
                bias=bias,
            )
            for index, feature_map in enumerate(feature_maps)
        ]
        join = layers.Concatenate(axis=1, name=f'{kind}_rows', dtype='float32')
        outputs[kind] = join(rows)
    model = keras.Model(images, [outputs['box'], outputs['cls']], name='ssd')
    for layer in model.layers:
        if isinstance(layer, layers.BatchNormalization):
            layer.momentum = backbone.bn_momentum
    return model


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
    features: Any, name: str, heads: HeadsSettings, *, shape: tuple[int, int], bias: float
) -> Any:
    """Predict shape = (priors, channels) numbers for each cell: (B, cells * priors, channels)."""
    num_priors, channels = shape
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
        bias_initializer=keras.initializers.Constant(bias),
        name=name,
    )
    features = predict(features)
    return layers.Reshape((-1, channels), name=f'{name}_rows')(features)


def _normalize_and_activate(features: Any, layer_name: str) -> Any:
    normalized = layers.BatchNormalization(
        epsilon=BATCH_NORM_EPSILON,
        name=batch_norm_name(layer_name),
    )(features)
    return layers.ReLU(6.0, name=f'{layer_name}_relu')(normalized)
