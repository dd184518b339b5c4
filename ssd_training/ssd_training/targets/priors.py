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

    Where a network sees from does not follow from the size of its maps: convolutions of stride 2
    begin at one end. By how much the middle of a cell's view lies off the middle of its share of
    the image is learnt with the weights, and other at each input size. With `laid_out_at_px`
    priors lie off their cells as they did there, and weights go on at another size as they are.
    Priors of the first map keep their size in px, as weights know it, those of the last one their
    share of the image, which objects may fill; between them it changes step by step.

    :param settings: the section `priors`
    :param input_size_hw: height and width of the model's input, px
    :return: (P, 4) float32, cxcywh, normalized; sizes are w = s sqrt(r), h = s / sqrt(r)
    """
    centers = [
        [_spread(settings, side_px, index) for side_px in input_size_hw]
        for index in range(len(settings.strides))
    ]
    maps = [
        _cover_grid(centers_yx, sizes_wh)
        for centers_yx, sizes_wh in zip(centers, _sizes(settings, input_size_hw), strict=True)
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


def _sizes(settings: PriorsSettings, input_size_hw: tuple[int, int]) -> list[NDArray[np.float64]]:
    """List the priors of a cell, for each map: (A, 2), width and height as shares."""
    height, width = input_size_hw
    sides_px = np.array([width, height], np.float64)
    laid_out_px = sides_px if settings.laid_out_at_px is None else settings.laid_out_at_px
    # The first map keeps px, the last one, whose priors fill the image, shares of it.
    kept = np.linspace(1.0, 0.0, len(settings.strides))
    return [
        np.array([(s * math.sqrt(ratio), s / math.sqrt(ratio)) for s, ratio in shapes])
        * (laid_out_px / sides_px) ** kept[index]
        for index, shapes in enumerate(_shapes(settings))
    ]


def _spread(settings: PriorsSettings, side_px: int, index: int) -> NDArray[np.float64]:
    """Place the priors of a map along one side of the image, as shares of it."""
    stride, learned_px = settings.strides[index], settings.laid_out_at_px
    if learned_px is None or settings.is_laid_out_at(side_px):
        return _middles(math.ceil(side_px / stride))
    views, learned_views = (views_px(side, stride) for side in (side_px, learned_px))
    off = learned_views - _middles(len(learned_views)) * learned_px
    # From one end of the image to the other, however many cells are between.
    places = np.linspace(0, len(off) - 1, len(views)) if len(views) > 1 else [(len(off) - 1) / 2]
    return (views - np.interp(places, np.arange(len(off)), off)) / side_px


def views_px(side_px: int, stride: int) -> NDArray[np.float64]:
    """
    Tell where the middle of each cell's view lies along one side of the image.

    A 3x3 convolution of stride 2 with padding `same` puts its first output on the second input
    where their number is even, and on the first where it is odd.

    :param side_px: of the image
    :param stride: of the map, a power of 2
    :return: (N,) float64, px
    """
    first, step, side = 0.5, 1, side_px
    while step < stride:
        first += step * (side % 2 == 0)
        step, side = step * 2, math.ceil(side / 2)
    return first + step * np.arange(side, dtype=np.float64)


def _middles(count: int) -> NDArray[np.float64]:
    return (np.arange(count) + 0.5) / count


def _cover_grid(
    centers_yx: Sequence[NDArray[np.float64]], sizes_wh: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Put every shape on every cell: (rows * columns * shapes, 4), cxcywh."""
    cy, cx = np.meshgrid(*centers_yx, indexing='ij')
    centers = np.stack([cx, cy], axis=-1).reshape(-1, 1, 2)
    boxes = np.broadcast_arrays(np.repeat(centers, len(sizes_wh), axis=1), sizes_wh[None])
    return np.concatenate(boxes, axis=-1).reshape(-1, 4)
