"""Augmentation of one sample, in graph mode; every random number comes from the seed given."""

from collections.abc import Callable, Sequence

import tensorflow as tf

from ssd_training.data.augmentation.colors import distort_colors
from ssd_training.data.augmentation.sample import happens, Sample
from ssd_training.data.augmentation.zoom import per_corner, zoom
from ssd_training.experiments.data_schema import (
    AugmentationSettings,
    FlipSettings,
    MosaicSettings,
)

ReadOther = Callable[[tf.Tensor], Sample]


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
    is_used, rest = happens(settings.mosaic.probability, seed)

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
    y, x = tf.unstack(draw_center(settings.mosaic, size_hw, own))
    places = [(0, 0, y, x), (0, x, y, width - x), (y, 0, height - y, x)]
    places.append((y, x, height - y, width - x))
    parts = []
    for part, place, part_seed in zip(
        samples, places, tf.unstack(tf.random.split(rest, 4)), strict=True
    ):
        zoomed = zoom(part, settings, size_hw=place[2:], seed=part_seed)
        origin, size = per_corner(tf.stack(place[:2])), per_corner(tf.stack(place[2:]))
        boxes = (zoomed.boxes_xyxy * size + origin) / per_corner(tf.constant(size_hw))
        parts.append(zoomed._replace(boxes_xyxy=boxes))
    rows = [tf.concat([parts[i].image_rgb, parts[i + 1].image_rgb], axis=1) for i in (0, 2)]
    return Sample(
        tf.ensure_shape(tf.concat(rows, axis=0), (*size_hw, 3)),
        *(tf.concat(column, axis=0) for column in list(zip(*parts, strict=True))[1:]),
    )


def flip(sample: Sample, settings: FlipSettings, seed: tf.Tensor) -> Sample:
    """
    Let left and right change places.

    :param sample: any dtype
    :param settings: the section `augmentation.flip`
    :param seed: (2,) int
    :return: the same dtype
    """
    if settings.probability == 0:
        return sample
    is_used, _ = happens(settings.probability, seed)
    x1, y1, x2, y2 = tf.unstack(sample.boxes_xyxy, axis=1)
    mirrored = tf.stack([1.0 - x2, y1, 1.0 - x1, y2], axis=1)
    # `[:, ::-1]` takes 15 times as long, and a `where` of images 6 times.
    image = tf.cond(is_used, lambda: tf.reverse(sample.image_rgb, [1]), lambda: sample.image_rgb)
    return sample._replace(
        image_rgb=image, boxes_xyxy=tf.where(is_used, mirrored, sample.boxes_xyxy)
    )


def draw_center(settings: MosaicSettings, size_hw: tuple[int, int], seed: tf.Tensor) -> tf.Tensor:
    """
    Draw where four images meet.

    :param settings: the section `augmentation.mosaic`
    :param size_hw: of the mosaic
    :param seed: (2,) int
    :return: (2,) int32, y and x in px
    """
    shares = tf.random.stateless_uniform((2,), seed, *settings.center)
    size_px = tf.constant(size_hw, tf.int32)
    center = tf.cast(tf.round(shares * tf.cast(size_px, tf.float32)), tf.int32)
    return tf.clip_by_value(center, 1, size_px - 1)
