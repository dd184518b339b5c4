"""Priors: the boxes that the model's outputs start from."""

from collections.abc import Sequence
import math

import numpy as np
from numpy.typing import NDArray

from ssd_training.experiments.model_schema import PriorsSettings

Shape = tuple[float, float]  # scale, aspect ratio

# TensorFlow's detectors give the square prior of the first map this scale, whatever min_scale is.
_LOWEST_SCALE = 0.1


def generate_priors(
    settings: PriorsSettings, input_size_hw: tuple[int, int]
) -> NDArray[np.float32]:
    """
    List all priors in the order of the model's outputs: map, row, column, prior of the cell.

    Two layouts. `ssd_300`: each ratio of a cell with both scales s_k and sqrt(s_k s_(k+1)),
    centres and sizes clipped to [0, 1]. `ssd_300_tf` (TensorFlow's SSD): each ratio with s_k, then
    a square with sqrt(s_k s_(k+1)), not clipped; on the first map each ratio once, the square one
    with scale 0.1. Scales s_k rise evenly from min_scale to max_scale, unless they are given one
    by one; after the last comes 1.

    :param settings: the section `priors`
    :param input_size_hw: height and width of the model's input, px
    :return: (P, 4) float32, cxcywh, normalized; sizes are w = s sqrt(r), h = s / sqrt(r)
    """
    grids = grid_sizes(settings.strides, input_size_hw)
    maps = [
        _cover_grid(grid_hw, shapes)
        for grid_hw, shapes in zip(grids, _shapes(settings), strict=True)
    ]
    priors = np.concatenate(maps)
    if settings.layout == 'ssd_300':
        priors = np.clip(priors, 0, 1)
    return priors.astype(np.float32)


def priors_per_cell(settings: PriorsSettings) -> list[int]:
    """
    Count the priors of a cell, for each feature map.

    :param settings: the section `priors`
    :return: one number a map
    """
    return [len(shapes) for shapes in _shapes(settings)]


def grid_sizes(strides: Sequence[int], input_size_hw: tuple[int, int]) -> list[tuple[int, int]]:
    """
    Tell the cells of each feature map.

    :param strides: px, one a map
    :param input_size_hw: height and width, px
    :return: rows and columns of each map
    """
    height, width = input_size_hw
    return [(math.ceil(height / stride), math.ceil(width / stride)) for stride in strides]


def _shapes(settings: PriorsSettings) -> list[list[Shape]]:
    evenly = np.linspace(settings.min_scale, settings.max_scale, len(settings.strides))
    scales = [*(settings.scales or evenly), 1.0]
    shapes = []
    for index, ratios in enumerate(settings.aspect_ratios):
        scale, between = scales[index], math.sqrt(scales[index] * scales[index + 1])
        if settings.layout == 'ssd_300':
            shapes.append([(s, ratio) for ratio in ratios for s in (scale, between)])
        elif index == 0:
            shapes.append([(_LOWEST_SCALE if ratio == 1 else scale, ratio) for ratio in ratios])
        else:
            shapes.append([*((scale, ratio) for ratio in ratios), (between, 1.0)])
    return shapes


def _cover_grid(grid_hw: tuple[int, int], shapes: Sequence[Shape]) -> NDArray[np.float64]:
    """Put every shape on every cell: (rows * columns * shapes, 4), cxcywh."""
    rows, columns = grid_hw
    sizes_wh = np.array([(s * math.sqrt(ratio), s / math.sqrt(ratio)) for s, ratio in shapes])
    cy, cx = np.meshgrid(
        (np.arange(rows) + 0.5) / rows, (np.arange(columns) + 0.5) / columns, indexing='ij'
    )
    centers = np.stack([cx, cy], axis=-1).reshape(-1, 1, 2)
    boxes = np.broadcast_arrays(np.repeat(centers, len(shapes), axis=1), sizes_wh[None])
    return np.concatenate(boxes, axis=-1).reshape(-1, 4)
