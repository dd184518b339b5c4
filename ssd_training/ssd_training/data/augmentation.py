"""
Augmentation of one sample, in graph mode; every random number comes from the seed given.

Zoom-out and crop only move a window over the image, which may leave it; the pixels in the window
are then brought to the model's size at once. That costs a fraction of changing large images.
"""

from collections.abc import Callable, Sequence
import math
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from ssd_training.experiments.data_schema import (
    AugmentationSettings,
    CropSettings,
    ExpandSettings,
    FlipSettings,
    MosaicSettings,
    PhotometricSettings,
)

_EDGE_PX = 0.25
_WHOLE = (0.0, 0.0, 1.0, 1.0)
_LUMA = (0.299, 0.587, 0.114)
# From RGB to YIQ: hue is the angle in the plane of I and Q.
_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))

ReadOther = Callable[[tf.Tensor], 'Sample']


class Sample(NamedTuple):
    """
    An image with its objects.

    :param image_rgb: (H, W, 3), uint8, or float32 in [0, 1] once it is resized
    :param boxes_xyxy: (G, 4) float32, normalized
    :param class_ids: (G,) int32
    :param is_difficult: (G,) bool
    """

    image_rgb: tf.Tensor
    boxes_xyxy: tf.Tensor
    class_ids: tf.Tensor
    is_difficult: tf.Tensor


def augment(
    sample: Sample, settings: AugmentationSettings, *, size_hw: tuple[int, int], seed: tf.Tensor
) -> Sample:
    """
    Change a sample at random and bring it to the model's size.

    :param sample: uint8
    :param settings: the section `augmentation`
    :param size_hw: of the result
    :param seed: (2,) int; equal seeds give equal results
    :return: float32 in [0, 1]
    """
    seeds = tf.unstack(tf.random.split(seed, 3))
    sample = zoom(sample, settings, size_hw=size_hw, seed=seeds[0])
    return distort_colors(flip(sample, settings.flip, seeds[1]), settings.photometric, seeds[2])


def augment_mosaic(
    sample: Sample,
    settings: AugmentationSettings,
    *,
    size_hw: tuple[int, int],
    seed: tf.Tensor,
    read_other: ReadOther,
) -> Sample:
    """
    Change a sample as augment does, or make a mosaic of it and three others.

    :param sample: uint8
    :param settings: the section `augmentation`
    :param size_hw: of the result
    :param seed: (2,) int
    :param read_other: gives a sample for a seed; called for mosaics only
    :return: float32 in [0, 1]
    """
    is_used, rest = _happens(settings.mosaic.probability, seed)

    def make_mosaic() -> Sample:
        seeds = tf.unstack(tf.random.split(rest, 6))
        samples = [sample, *(read_other(other) for other in seeds[:3])]
        joined = mosaic(samples, settings, size_hw=size_hw, seed=seeds[3])
        return distort_colors(
            flip(joined, settings.flip, seeds[4]), settings.photometric, seeds[5]
        )

    return tf.cond(
        is_used, make_mosaic, lambda: augment(sample, settings, size_hw=size_hw, seed=rest)
    )


def mosaic(
    samples: Sequence[Sample],
    settings: AugmentationSettings,
    *,
    size_hw: tuple[int, int],
    seed: tf.Tensor,
) -> Sample:
    """
    Put four images around a point, each as zoom-out and crop show it.

    :param samples: four, uint8: above left, above right, below left, below right
    :param settings: the section `augmentation`
    :param size_hw: of the result
    :param seed: (2,) int
    :return: float32 in [0, 1]
    """
    own, rest = tf.unstack(tf.random.split(seed, 2))
    height, width = size_hw
    y, x = tf.unstack(_draw_center(settings.mosaic, size_hw, own))
    places = [(0, 0, y, x), (0, x, y, width - x), (y, 0, height - y, x)]
    places.append((y, x, height - y, width - x))
    parts = []
    for part, place, part_seed in zip(
        samples, places, tf.unstack(tf.random.split(rest, 4)), strict=True
    ):
        zoomed = zoom(part, settings, size_hw=place[2:], seed=part_seed)
        origin, size = _per_corner(tf.stack(place[:2])), _per_corner(tf.stack(place[2:]))
        boxes = (zoomed.boxes_xyxy * size + origin) / _per_corner(tf.constant(size_hw))
        parts.append(zoomed._replace(boxes_xyxy=boxes))
    rows = [tf.concat([parts[i].image_rgb, parts[i + 1].image_rgb], axis=1) for i in (0, 2)]
    return Sample(
        tf.ensure_shape(tf.concat(rows, axis=0), (*size_hw, 3)),
        *(tf.concat(column, axis=0) for column in list(zip(*parts, strict=True))[1:]),
    )


def zoom(
    sample: Sample,
    settings: AugmentationSettings,
    *,
    size_hw: tuple[int | tf.Tensor, int | tf.Tensor],
    seed: tf.Tensor,
) -> Sample:
    """
    Zoom out, zoom in, both or neither, and bring the sample to a size.

    :param sample: uint8
    :param settings: the section `augmentation`
    :param size_hw: of the result
    :param seed: (2,) int
    :return: float32 in [0, 1]
    """
    expand_seed, crop_seed = tf.unstack(tf.random.split(seed, 2))
    window = expand_window(settings.expand, expand_seed)
    window = crop_window(window, sample, settings.crop, crop_seed)
    return view(sample, window, size_hw=size_hw, fill_rgb=settings.expand.fill_rgb)


def expand_window(settings: ExpandSettings, seed: tf.Tensor) -> tf.Tensor:
    """
    Draw a window that is larger than the image and holds it.

    :param settings: the section `augmentation.expand`
    :param seed: (2,) int
    :return: (4,) float32, xyxy in shares of the image
    """
    is_used, rest = _happens(settings.probability, seed)
    numbers = tf.random.stateless_uniform((3,), rest)
    more = tf.where(is_used, numbers[0] * (settings.max_ratio - 1.0), 0.0)
    before = -more * numbers[1:]
    return tf.concat([before, before + 1.0 + more], axis=0)


def crop_window(
    window: tf.Tensor, sample: Sample, settings: CropSettings, seed: tf.Tensor
) -> tf.Tensor:
    """
    Draw a part of a window that some object overlaps well enough and has its centre in.

    :param window: (4,) float32, xyxy in shares of the image
    :param sample: whose boxes count
    :param settings: the section `augmentation.crop`
    :param seed: (2,) int
    :return: (4,) float32; the window as it is when no try succeeds
    """
    is_used, rest = _happens(settings.probability, seed)
    sizes, choice = tf.unstack(tf.random.split(rest, 2))
    candidates = _draw_crops(settings, sizes) * _size_of(window) + _origin_of(window)
    # Edges between pixels: what is chosen here is what is cut out.
    size_px = _per_corner(tf.shape(sample.image_rgb)[:2])
    candidates = tf.round(candidates * size_px) / size_px
    index = tf.random.stateless_uniform((), choice, 0, len(settings.min_ious), tf.int32)
    min_iou = tf.gather(tf.constant(settings.min_ious, tf.float32), index)
    is_valid = tf.reduce_any(_iou(candidates, sample.boxes_xyxy) >= min_iou, axis=1)
    # A centre on an edge is in or out by rounding: here it is out, so that some object stays.
    inner = candidates + tf.constant([1.0, 1.0, -1.0, -1.0]) * _EDGE_PX / size_px
    is_valid &= tf.reduce_any(_holds_center(inner, sample.boxes_xyxy), axis=1)
    chosen = tf.gather(candidates, tf.argmax(tf.cast(is_valid, tf.int32)))
    return tf.where(is_used & tf.reduce_any(is_valid), chosen, window)


def view(
    sample: Sample,
    window: tf.Tensor,
    *,
    size_hw: tuple[int | tf.Tensor, int | tf.Tensor],
    fill_rgb: Sequence[float],
) -> Sample:
    """
    Show what is in a window; objects whose centre is in it stay, cut at its edges.

    :param sample: uint8
    :param window: (4,) float32, xyxy in shares of the image, partly in it
    :param size_hw: of the result
    :param fill_rgb: colour around the image, in [0, 1]
    :return: float32 in [0, 1]
    """
    image_px, size_px = tf.shape(sample.image_rgb)[:2], tf.stack(size_hw)
    window_px = window * _per_corner(image_px)
    source = tf.clip_by_value(tf.round(window_px), 0.0, _per_corner(image_px))
    first = tf.minimum(source[:2], source[2:] - 1.0)
    source = tf.concat([first, source[2:]], axis=0)
    # Inside the image the window's edges are the edges of pixels.
    is_outside = (window < 0.0) | (window > 1.0)
    window_px = tf.where(is_outside, window_px, source)
    scale = _per_corner(size_px) / tf.maximum(_size_of(window_px), 1.0)
    target = tf.round((source - _origin_of(window_px)) * scale)
    end = tf.clip_by_value(target[2:], 1.0, _per_corner(size_px)[2:])
    target = tf.concat([tf.clip_by_value(target[:2], 0.0, end - 1.0), end], axis=0)
    boxes = sample.boxes_xyxy * _per_corner(image_px) - _origin_of(source)
    boxes = boxes * _size_of(target) / _size_of(source) + _origin_of(target)
    return _keep_inside(
        sample._replace(
            image_rgb=_paste(sample.image_rgb, source, target, size_px, fill_rgb),
            boxes_xyxy=boxes / _per_corner(size_px),
        )
    )


def resize(sample: Sample, size_hw: tuple[int, int]) -> Sample:
    """
    Stretch an image; within 1/255 of the core's preprocess, which feeds evaluation and robot.

    :param sample: uint8
    :param size_hw: of the result
    :return: float32 in [0, 1]
    """
    return view(sample, tf.constant(_WHOLE), size_hw=size_hw, fill_rgb=(0.0, 0.0, 0.0))


def flip(sample: Sample, settings: FlipSettings, seed: tf.Tensor) -> Sample:
    """
    Let left and right change places.

    :param sample: any dtype
    :param settings: the section `augmentation.flip`
    :param seed: (2,) int
    :return: the same dtype
    """
    is_used, _ = _happens(settings.probability, seed)
    x1, y1, x2, y2 = tf.unstack(sample.boxes_xyxy, axis=1)
    mirrored = tf.stack([1.0 - x2, y1, 1.0 - x1, y2], axis=1)
    return sample._replace(
        image_rgb=tf.where(is_used, sample.image_rgb[:, ::-1], sample.image_rgb),
        boxes_xyxy=tf.where(is_used, mirrored, sample.boxes_xyxy),
    )


def distort_colors(sample: Sample, settings: PhotometricSettings, seed: tf.Tensor) -> Sample:
    """
    Change brightness, contrast, saturation and hue, each or none of them, in this order.

    All four are one linear map of (R, G, B), so that a pixel is read once: contrast around the
    mean of the image, saturation around its luma, hue as a turn in the plane of I and Q.

    :param sample: float32 in [0, 1]
    :param settings: the section `augmentation.photometric`
    :param seed: (2,) int
    :return: float32 in [0, 1]
    """
    uses, values = tf.unstack(tf.random.split(seed, 2))
    is_used = tf.random.stateless_uniform((4,), uses) < settings.probability
    numbers = tf.random.stateless_uniform((4,), values)

    def draw(index: int, low: float, high: float, *, neutral: float) -> tf.Tensor:
        return tf.where(is_used[index], low + numbers[index] * (high - low), neutral)

    brightness = draw(0, -settings.brightness, settings.brightness, neutral=0.0)
    contrast = draw(1, *settings.contrast, neutral=1.0)
    saturation = draw(2, *settings.saturation, neutral=1.0)
    hue = draw(3, -settings.hue, settings.hue, neutral=0.0)
    mix = tf.linalg.matmul(_saturation_matrix(saturation), _hue_matrix(hue))
    pixels = tf.reshape(sample.image_rgb, (-1, 3))
    mean = tf.reduce_mean(pixels, axis=0)
    shift = mean * (1.0 - contrast) + brightness
    changed = tf.linalg.matmul(pixels, contrast * mix) + tf.linalg.matmul(shift[None], mix)
    image = tf.reshape(tf.clip_by_value(changed, 0.0, 1.0), tf.shape(sample.image_rgb))
    return sample._replace(image_rgb=tf.ensure_shape(image, sample.image_rgb.shape))


def _happens(probability: float, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decide by chance; give a seed for what follows, too."""
    own, rest = tf.unstack(tf.random.split(seed, 2))
    return tf.random.stateless_uniform((), own) < probability, rest


def _per_corner(yx: tf.Tensor) -> tf.Tensor:
    """Arrange (y, x) as (x, y, x, y) float32, to fit boxes."""
    return tf.cast(tf.gather(yx, [1, 0, 1, 0]), tf.float32)


def _origin_of(box_xyxy: tf.Tensor) -> tf.Tensor:
    """Arrange a box as (x1, y1, x1, y1)."""
    return tf.gather(box_xyxy, [0, 1, 0, 1])


def _size_of(box_xyxy: tf.Tensor) -> tf.Tensor:
    """Arrange a box as (width, height, width, height)."""
    return tf.gather(box_xyxy, [2, 3, 2, 3]) - _origin_of(box_xyxy)


def _draw_crops(settings: CropSettings, seed: tf.Tensor) -> tf.Tensor:
    """Draw windows: (tries, 4) float32 xyxy in shares of what is cropped."""
    numbers = tf.random.stateless_uniform((4, settings.tries), seed)
    scale = settings.scale[0] + numbers[0] * (settings.scale[1] - settings.scale[0])
    # Of a large crop only near-square shapes fit into the image.
    low = tf.maximum(settings.aspect_ratio[0], scale**2)
    high = tf.maximum(tf.minimum(settings.aspect_ratio[1], 1.0 / scale**2), low)
    root = tf.sqrt(low + numbers[1] * (high - low))
    sizes_wh = tf.minimum(tf.stack([scale * root, scale / root], axis=1), 1.0)
    starts = tf.transpose(numbers[2:]) * (1.0 - sizes_wh)
    return tf.concat([starts, starts + sizes_wh], axis=1)


def _draw_center(settings: MosaicSettings, size_hw: tuple[int, int], seed: tf.Tensor) -> tf.Tensor:
    """Draw where four images meet: (2,) int32 y, x in px."""
    shares = tf.random.stateless_uniform((2,), seed, *settings.center)
    size_px = tf.constant(size_hw, tf.int32)
    center = tf.cast(tf.round(shares * tf.cast(size_px, tf.float32)), tf.int32)
    return tf.clip_by_value(center, 1, size_px - 1)


def _paste(
    image_rgb: tf.Tensor,
    source: tf.Tensor,
    target: tf.Tensor,
    size_px: tf.Tensor,
    fill_rgb: Sequence[float],
) -> tf.Tensor:
    """Resize a part of an image and put it on a canvas of one colour; edges are whole px."""
    x1, y1, x2, y2 = tf.unstack(tf.cast(source, tf.int32))
    left, top, right, bottom = tf.unstack(tf.cast(target, tf.int32))
    resized = tf.image.resize(
        image_rgb[y1:y2, x1:x2], (bottom - top, right - left), method='bilinear', antialias=False
    )
    paddings = [[top, size_px[0] - bottom], [left, size_px[1] - right], [0, 0]]
    # tf.pad knows one value only: 0 here, the fill after the shift.
    fill = tf.constant(fill_rgb, tf.float32)
    canvas = tf.pad(resized / 255.0 - fill, paddings) + fill
    return tf.clip_by_value(canvas, 0.0, 1.0)


def _keep_inside(sample: Sample) -> Sample:
    """Drop objects whose centre is outside [0, 1], and clip the others."""
    is_kept = _holds_center(tf.constant([_WHOLE]), sample.boxes_xyxy)[0]
    return sample._replace(
        boxes_xyxy=tf.boolean_mask(tf.clip_by_value(sample.boxes_xyxy, 0.0, 1.0), is_kept),
        class_ids=tf.boolean_mask(sample.class_ids, is_kept),
        is_difficult=tf.boolean_mask(sample.is_difficult, is_kept),
    )


def _saturation_matrix(factor: tf.Tensor) -> tf.Tensor:
    """Build the map that moves colours away from their luma; for rows (R, G, B)."""
    luma = tf.repeat(tf.constant(_LUMA)[:, None], 3, axis=1)
    return factor * tf.eye(3) + (1.0 - factor) * luma


def _hue_matrix(share: tf.Tensor) -> tf.Tensor:
    """Build the map that turns hues by a share of the circle; for rows (R, G, B)."""
    angle = 2.0 * math.pi * share
    cos, sin, zero = tf.cos(angle), tf.sin(angle), tf.zeros_like(angle)
    turn = tf.stack(
        [
            tf.stack([zero + 1.0, zero, zero]),
            tf.stack([zero, cos, sin]),
            tf.stack([zero, -sin, cos]),
        ]
    )
    to_yiq = np.array(_YIQ).T
    from_yiq = np.linalg.inv(to_yiq)
    return tf.constant(to_yiq, tf.float32) @ turn @ tf.constant(from_yiq, tf.float32)


def _holds_center(windows: tf.Tensor, boxes_xyxy: tf.Tensor) -> tf.Tensor:
    """Tell which window (W, 4) holds the centre of which box (G, 4): (W, G) bool."""
    centers = (boxes_xyxy[None, :, :2] + boxes_xyxy[None, :, 2:]) / 2
    is_inside = (centers > windows[:, None, :2]) & (centers < windows[:, None, 2:])
    return tf.reduce_all(is_inside, axis=-1)


def _iou(windows: tf.Tensor, boxes_xyxy: tf.Tensor) -> tf.Tensor:
    starts = tf.maximum(windows[:, None, :2], boxes_xyxy[None, :, :2])
    ends = tf.minimum(windows[:, None, 2:], boxes_xyxy[None, :, 2:])
    shared = tf.reduce_prod(tf.maximum(ends - starts, 0.0), axis=-1)
    window_areas = tf.reduce_prod(windows[:, 2:] - windows[:, :2], axis=-1)
    box_areas = tf.reduce_prod(boxes_xyxy[:, 2:] - boxes_xyxy[:, :2], axis=-1)
    return shared / (window_areas[:, None] + box_areas[None] - shared)
