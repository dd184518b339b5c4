"""The backbone: keras.applications.MobileNetV2 with its feature maps."""

import difflib
import re
from typing import Any

import keras

from ssd_detector.errors import ConfigError
from ssd_training.experiments.model_schema import BackboneSettings

# Strides 8, 16 and 32; the layer names also stand in the weights files.
FEATURE_LAYERS = {'C3': 'block_6_expand_relu', 'C4': 'block_13_expand_relu', 'C5': 'out_relu'}
BLOCKS = ('Conv1', 'expanded_conv', *(f'block_{number}' for number in range(1, 17)))


def build_backbone(images: Any, settings: BackboneSettings) -> tuple[keras.Model, list[Any]]:
    """
    Build MobileNetV2 with random weights; frozen blocks are marked as not trainable.

    :param images: symbolic input, (B, S, S, 3), in [-1, 1], as its ImageNet weights expect it
    :param settings: the section `backbone`
    :return: the whole model and its feature maps, in the order of output_layers; a network of
        these maps ends where the last one does
    :raises ConfigError: when freeze_until names no block, or one behind the last map
    """
    num_frozen = num_frozen_blocks('backbone.freeze_until', settings.freeze_until)
    last = block_of(FEATURE_LAYERS[settings.output_layers[-1]])
    if last is not None and num_frozen > BLOCKS.index(last) + 1:
        raise ConfigError(
            [
                f'backbone.freeze_until: {settings.freeze_until}: the backbone ends with {last} '
                f'(backbone.output_layers); name a block before, or set freeze: true'
            ]
        )
    backbone = keras.applications.MobileNetV2(
        input_tensor=images, include_top=False, weights=None, alpha=settings.width_mult
    )
    frozen = set(BLOCKS[:num_frozen])
    for layer in backbone.layers:
        layer.trainable = not settings.freeze and block_of(layer.name) not in frozen
    names = [FEATURE_LAYERS[level] for level in settings.output_layers]
    return backbone, [backbone.get_layer(name).output for name in names]


def batch_norm_name(layer_name: str) -> str:
    """
    Name the BatchNorm that follows a convolution.

    :param layer_name: of the convolution
    :return: keras.applications' name in the backbone, `<layer>_BN` everywhere
    """
    return {'Conv1': 'bn_Conv1', 'Conv_1': 'Conv_1_bn'}.get(layer_name, f'{layer_name}_BN')


def num_frozen_blocks(key: str, last_block: str | None) -> int:
    """
    Count the blocks up to one that is named in the configuration.

    :param key: where it is named
    :param last_block: the last one that does not train; None for none
    :return: how many of BLOCKS do not train
    :raises ConfigError: when there is no such block
    """
    if last_block is None:
        return 0
    if last_block not in BLOCKS:
        near = difflib.get_close_matches(last_block, BLOCKS, n=1)
        advice = f'did you mean {near[0]}?' if near else f'expected one of {", ".join(BLOCKS)}'
        raise ConfigError([f'{key}: {last_block}: no such block; {advice}'])
    return BLOCKS.index(last_block) + 1


def block_of(layer_name: str) -> str | None:
    """
    Name the block of a layer.

    :param layer_name: of the network
    :return: one of BLOCKS, or None behind the last block
    """
    match = re.match(r'(?:bn_)?(Conv1|expanded_conv|block_\d+)(?:_|$)', layer_name)
    return match[1] if match else None
