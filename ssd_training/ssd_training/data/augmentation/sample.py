"""What augmentation changes: an image with its objects, as tensors; and chance."""

from typing import NamedTuple

import tensorflow as tf


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


def happens(probability: float, seed: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """
    Decide by chance.

    :param probability: of yes
    :param seed: (2,) int
    :return: () bool; a seed for what follows
    """
    own, rest = tf.unstack(tf.random.split(seed, 2))
    return tf.random.stateless_uniform((), own) < probability, rest
