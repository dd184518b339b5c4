"""
Zoom-out, crop and resize of one sample, in graph mode.

Zoom-out and crop only move a window over the image, which may leave it; the pixels in the window
are then brought to the model's size at once. That costs a fraction of changing large images.
"""

from collections.abc import Sequence

import tensorflow as tf

from ssd_training.data.augmentation.sample import happens, Sample
from ssd_training.experiments.data_schema import (
    AugmentationSettings,
    CropSettings,
    ExpandSettings,
)

_EDGE_PX = 0.25
_WHOLE = (0.0, 0.0, 1.0, 1.0)


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
    if settings.probability == 0:
        return tf.constant(_WHOLE, tf.float32)
    is_used, rest = happens(settings.probability, seed)
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
    if settings.probability == 0:
        return window
    is_used, rest = happens(settings.probability, seed)
    sizes, choice = tf.unstack(tf.random.split(rest, 2))
    candidates = _draw_crops(settings, sizes) * _size_of(window) + _origin_of(window)
    # Edges between pixels: what is chosen here is what is cut out.
    size_px = per_corner(tf.shape(sample.image_rgb)[:2])
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
    window_px = window * per_corner(image_px)
    source = tf.clip_by_value(tf.round(window_px), 0.0, per_corner(image_px))
    first = tf.minimum(source[:2], source[2:] - 1.0)
    source = tf.concat([first, source[2:]], axis=0)
    # Inside the image the window's edges are the edges of pixels.
    is_outside = (window < 0.0) | (window > 1.0)
    window_px = tf.where(is_outside, window_px, source)
    scale = per_corner(size_px) / tf.maximum(_size_of(window_px), 1.0)
    target = tf.round((source - _origin_of(window_px)) * scale)
    end = tf.clip_by_value(target[2:], 1.0, per_corner(size_px)[2:])
    target = tf.concat([tf.clip_by_value(target[:2], 0.0, end - 1.0), end], axis=0)
    boxes = sample.boxes_xyxy * per_corner(image_px) - _origin_of(source)
    boxes = boxes * _size_of(target) / _size_of(source) + _origin_of(target)
    return _keep_inside(
        sample._replace(
            image_rgb=_paste(sample.image_rgb, source, target, size_px, fill_rgb),
            boxes_xyxy=boxes / per_corner(size_px),
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


def per_corner(yx: tf.Tensor) -> tf.Tensor:
    """
    Arrange (y, x) as (x, y, x, y), to fit boxes.

    :param yx: (2,) number
    :return: (4,) float32
    """
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
    part = image_rgb[y1:y2, x1:x2]
    resized = tf.image.resize(part, (bottom - top, right - left), antialias=False) / 255.0
    fill = tf.constant(fill_rgb, tf.float32)

    def surround() -> tf.Tensor:
        # tf.pad knows one value only: 0 here, the fill after the shift.
        paddings = [[top, size_px[0] - bottom], [left, size_px[1] - right], [0, 0]]
        return tf.clip_by_value(tf.pad(resized - fill, paddings) + fill, 0.0, 1.0)

    is_full = tf.reduce_all(tf.shape(resized)[:2] == size_px)
    return tf.cond(is_full, lambda: resized, surround)


def _keep_inside(sample: Sample) -> Sample:
    """Drop objects whose centre is outside [0, 1], and clip the others."""
    is_kept = _holds_center(tf.constant([_WHOLE]), sample.boxes_xyxy)[0]
    return sample._replace(
        boxes_xyxy=tf.boolean_mask(tf.clip_by_value(sample.boxes_xyxy, 0.0, 1.0), is_kept),
        class_ids=tf.boolean_mask(sample.class_ids, is_kept),
        is_difficult=tf.boolean_mask(sample.is_difficult, is_kept),
    )


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
