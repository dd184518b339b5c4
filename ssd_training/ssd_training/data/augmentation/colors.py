"""Photometric distortion: colours change, boxes stay."""

import math

import numpy as np
import tensorflow as tf

from ssd_training.data.augmentation.sample import Sample
from ssd_training.experiments.data_schema import PhotometricSettings

_LUMA = (0.299, 0.587, 0.114)
# From RGB to YIQ: hue is the angle in the plane of I and Q.
_YIQ = ((0.299, 0.587, 0.114), (0.596, -0.274, -0.322), (0.211, -0.523, 0.312))


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
    if settings.probability == 0:
        return sample
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
