"""Augmentation of one sample, in graph mode; every random number comes from the seed given."""

from typing import NamedTuple

import tensorflow as tf

from ssd_training.experiments.data_schema import (
    AugmentationSettings,
    CropSettings,
    ExpandSettings,
    FlipSettings,
    PhotometricSettings,
)

_CROP_TRIES = 50
_GREY = 127  # The middle of the range, 0 after normalization.


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

    Colours change last, on the small image: that costs a quarter of what the large one does.

    :param sample: uint8
    :param settings: the section `augmentation`
    :param size_hw: of the result
    :param seed: (2,) int; equal seeds give equal results
    :return: float32 in [0, 1]
    """
    seeds = tf.unstack(tf.random.split(seed, 4))
    sample = expand(sample, settings.expand, seeds[0])
    sample = crop(sample, settings.crop, seeds[1])
    sample = resize(sample, size_hw)
    sample = flip(sample, settings.flip, seeds[2])
    return distort_colors(sample, settings.photometric, seeds[3])


def resize(sample: Sample, size_hw: tuple[int, int]) -> Sample:
    """
    Stretch an image; within 1/255 of the core's preprocess, which feeds evaluation and robot.

    :param sample: uint8
    :param size_hw: of the result
    :return: float32 in [0, 1]
    """
    resized = tf.image.resize(sample.image_rgb, size_hw, method='bilinear', antialias=False)
    return sample._replace(image_rgb=resized / 255.0)


def expand(sample: Sample, settings: ExpandSettings, seed: tf.Tensor) -> Sample:
    """
    Put the image somewhere on a larger grey canvas.

    :param sample: uint8
    :param settings: the section `augmentation.expand`
    :param seed: (2,) int
    :return: uint8
    """
    is_used, rest = _happens(settings.probability, seed)
    numbers = tf.random.stateless_uniform((3,), rest)
    size_hw = tf.shape(sample.image_rgb)[:2]
    ratio = tf.where(is_used, 1.0 + numbers[0] * (settings.max_ratio - 1.0), 1.0)
    canvas_hw = tf.cast(tf.cast(size_hw, tf.float32) * ratio, tf.int32)
    offset_yx = tf.cast(numbers[1:] * tf.cast(canvas_hw - size_hw + 1, tf.float32), tf.int32)
    after_yx = canvas_hw - size_hw - offset_yx
    paddings = tf.concat([tf.stack([offset_yx, after_yx], axis=1), [[0, 0]]], axis=0)
    image = tf.pad(sample.image_rgb, paddings, constant_values=tf.constant(_GREY, tf.uint8))
    scale, shift = _per_corner(size_hw), _per_corner(offset_yx)
    boxes = (sample.boxes_xyxy * scale + shift) / _per_corner(canvas_hw)
    return sample._replace(image_rgb=image, boxes_xyxy=boxes)


def crop(sample: Sample, settings: CropSettings, seed: tf.Tensor) -> Sample:
    """
    Cut out a part that some object overlaps well enough; objects whose centre is in it stay.

    :param sample: uint8
    :param settings: the section `augmentation.crop`
    :param seed: (2,) int
    :return: uint8; the sample as it is when no try succeeds
    """
    is_used, rest = _happens(settings.probability, seed)
    size_hw = tf.shape(sample.image_rgb)[:2]
    candidates = _draw_crops(settings, size_hw, rest)
    choice, _ = tf.unstack(tf.random.split(rest, 2))
    index = tf.random.stateless_uniform((), choice, 0, len(settings.min_ious), tf.int32)
    min_iou = tf.gather(tf.constant(settings.min_ious, tf.float32), index)
    edges = tf.cast(candidates, tf.float32) / _per_corner(size_hw)
    overlaps = tf.reduce_any(_iou(edges, sample.boxes_xyxy) >= min_iou, axis=1)
    is_valid = overlaps & tf.reduce_any(_holds_center(edges, sample.boxes_xyxy), axis=1)
    whole = tf.concat([[0, 0], size_hw[::-1]], axis=0)
    chosen = tf.gather(candidates, tf.argmax(tf.cast(is_valid, tf.int32)))
    window = tf.where(is_used & tf.reduce_any(is_valid), chosen, whole)
    return _cut(sample, window)


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
    Change brightness, contrast, saturation and hue, each or none of them.

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

    image = sample.image_rgb + draw(0, -settings.brightness, settings.brightness, neutral=0.0)
    image = tf.image.adjust_contrast(image, draw(1, *settings.contrast, neutral=1.0))
    # HSV is defined on [0, 1] only.
    image = tf.clip_by_value(image, 0.0, 1.0)
    image = tf.image.adjust_saturation(image, draw(2, *settings.saturation, neutral=1.0))
    image = tf.image.adjust_hue(image, draw(3, -settings.hue, settings.hue, neutral=0.0))
    return sample._replace(image_rgb=tf.clip_by_value(image, 0.0, 1.0))


def _happens(probability: float, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Decide by chance; give a seed for what follows, too."""
    own, rest = tf.unstack(tf.random.split(seed, 2))
    return tf.random.stateless_uniform((), own) < probability, rest


def _per_corner(yx: tf.Tensor) -> tf.Tensor:
    """Arrange (y, x) as (x, y, x, y) float32, to fit boxes."""
    return tf.cast(tf.gather(yx, [1, 0, 1, 0]), tf.float32)


def _draw_crops(settings: CropSettings, size_hw: tf.Tensor, seed: tf.Tensor) -> tf.Tensor:
    """Draw windows: (tries, 4) int32, x1, y1, x2, y2 in px."""
    numbers = tf.random.stateless_uniform((4, _CROP_TRIES), seed)
    scale = settings.scale[0] + numbers[0] * (settings.scale[1] - settings.scale[0])
    # Of a large crop only near-square shapes fit into the image.
    low = tf.maximum(settings.aspect_ratio[0], scale**2)
    high = tf.maximum(tf.minimum(settings.aspect_ratio[1], 1.0 / scale**2), low)
    root = tf.sqrt(low + numbers[1] * (high - low))
    shares_wh = tf.minimum(tf.stack([scale * root, scale / root], axis=1), 1.0)
    image_wh = tf.cast(size_hw[::-1], tf.float32)
    sizes_wh = tf.maximum(tf.round(shares_wh * image_wh), 1.0)
    starts = tf.floor(tf.transpose(numbers[2:]) * (image_wh - sizes_wh + 1.0))
    return tf.cast(tf.concat([starts, starts + sizes_wh], axis=1), tf.int32)


def _cut(sample: Sample, window: tf.Tensor) -> Sample:
    x1, y1, x2, y2 = tf.unstack(window)
    edges = tf.cast(window, tf.float32) / _per_corner(tf.shape(sample.image_rgb)[:2])
    is_kept = _holds_center(edges[None], sample.boxes_xyxy)[0]
    origin = tf.gather(edges, [0, 1, 0, 1])
    size = tf.gather(edges, [2, 3, 2, 3]) - origin
    boxes = tf.clip_by_value((sample.boxes_xyxy - origin) / size, 0.0, 1.0)
    return Sample(
        image_rgb=sample.image_rgb[y1:y2, x1:x2],
        boxes_xyxy=tf.boolean_mask(boxes, is_kept),
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
