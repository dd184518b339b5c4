"""
The mean of networks that were trained from the same weights.

Averaged are convolutions with the BatchNorm behind them folded in: two networks may compute the
same and part it differently between the two, and the mean of their variables would be neither.
Several trainings, one mean: Wortsman et al., Model soups, arXiv:2203.05482.
"""

from collections.abc import Sequence

import keras
import numpy as np
from numpy.typing import NDArray

from ssd_training.model.backbone import batch_norm_name
from ssd_training.model.pretrained import Values
from ssd_training.model.ssd import BATCH_NORM_EPSILON


def fold(model: keras.Model) -> Values:
    """
    Read the convolutions of a network with the BatchNorm behind them folded in.

    :param model: from build_ssd
    :return: kernel and bias, by layer
    """
    layers = {layer.name: layer for layer in model.layers if layer.weights}
    norms = {batch_norm_name(name) for name in layers}
    return {
        name: _fold_layer(layer, layers.get(batch_norm_name(name)))
        for name, layer in layers.items()
        if name not in norms
    }


def mean_of(members: Sequence[Values], shares: Sequence[float]) -> Values:
    """
    Average folded networks.

    :param members: from fold, of one architecture
    :param shares: how much each counts; above 0, of any sum
    :return: kernel and bias, by layer
    """
    total = sum(shares)
    return {
        name: [
            np.asarray(
                sum(
                    share / total * member[name][index].astype(np.float64)
                    for member, share in zip(members, shares, strict=True)
                ),
                np.float32,
            )
            for index in range(len(arrays))
        ]
        for name, arrays in members[0].items()
    }


def _fold_layer(layer: keras.Layer, norm: keras.Layer | None) -> list[NDArray[np.float32]]:
    if norm is None:
        return list(layer.get_weights())
    (kernel,) = layer.get_weights()
    gamma, beta, mean, variance = norm.get_weights()
    scale = gamma / np.sqrt(variance + np.float32(BATCH_NORM_EPSILON))
    is_depthwise = isinstance(layer, keras.layers.DepthwiseConv2D)
    # Channels are the last axis (HWIO); of a depthwise kernel (HWC1) the one before.
    return [kernel * (scale[:, None] if is_depthwise else scale), beta - mean * scale]
