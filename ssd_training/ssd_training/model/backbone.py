"""The backbone: keras.applications.MobileNetV2 with its feature maps."""

import difflib
from typing import Any

import keras

from ssd_detector.errors import ConfigError
from ssd_training.experiments.model_schema import BackboneSettings

# Strides 8, 16 and 32; the layer names also stand in the weights files.
FEATURE_LAYERS = {'C3': 'block_6_expand_relu', 'C4': 'block_13_expand_relu', 'C5': 'out_relu'}
_FIRST_BLOCKS = ('Conv1', 'expanded_conv')


def build_backbone(images: Any, settings: BackboneSettings) -> tuple[keras.Model, list[Any]]:
    """
    Build MobileNetV2 with random weights; frozen blocks are marked as not trainable.

    :param images: symbolic input, (B, S, S, 3), in [-1, 1], as its ImageNet weights expect it
    :param settings: the section `backbone`
    :return: the model and its feature maps, in the order of output_layers
    :raises ConfigError: when freeze_until names no block
    """
    backbone = keras.applications.MobileNetV2(
        input_tensor=images, include_top=False, weights=None, alpha=settings.width_mult
    )
    if settings.freeze:
        backbone.trainable = False
    elif settings.freeze_until is not None:
        _freeze(backbone, settings.freeze_until)
    names = [FEATURE_LAYERS[level] for level in settings.output_layers]
    return backbone, [backbone.get_layer(name).output for name in names]


def batch_norm_name(layer_name: str) -> str:
    """
    Name the BatchNorm that follows a convolution.

    :param layer_name: of the convolution
    :return: keras.applications' name in the backbone, `<layer>_BN` everywhere
    """
    return {'Conv1': 'bn_Conv1', 'Conv_1': 'Conv_1_bn'}.get(layer_name, f'{layer_name}_BN')


def _freeze(backbone: keras.Model, block: str) -> None:
    names = [layer.name for layer in backbone.layers]
    blocks = [*_FIRST_BLOCKS, *(f'block_{number}' for number in range(1, 17))]
    if block not in blocks:
        near = difflib.get_close_matches(block, blocks, n=1)
        advice = f'did you mean {near[0]}?' if near else f'expected one of {", ".join(blocks)}'
        raise ConfigError([f'backbone.freeze_until: {block}: no such block; {advice}'])
    last = max(
        index
        for index, name in enumerate(names)
        if name.startswith(f'{block}_') or name == f'bn_{block}'
    )
    for layer in backbone.layers[: last + 1]:
        layer.trainable = False
