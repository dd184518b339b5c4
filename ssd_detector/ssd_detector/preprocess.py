"""From an RGB image to the model's input: the one resize of the whole suite."""

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.errors import ImageError

_UNIT = np.float32(1 / 255)


def preprocess(image_rgb: NDArray[np.uint8], size_px: int) -> NDArray[np.float32]:
    """
    Stretch an image to the model's square input and scale it to [0, 1].

    The resize is bilinear with half-pixel centres and without antialiasing: within 1/255 of
    TensorFlow's `tf.image.resize`, which feeds the training. Normalization is part of the model.

    :param image_rgb: (H, W, 3) uint8
    :param size_px: S, side of the model's input
    :return: (1, S, S, 3) float32, in [0, 1]
    :raises ImageError: when the image is not (H, W, 3) uint8 with at least one pixel
    """
    check_image(image_rgb)
    resized = cv2.resize(image_rgb, (size_px, size_px), interpolation=cv2.INTER_LINEAR)
    return np.multiply(resized, _UNIT, dtype=np.float32)[None]


def check_image(image_rgb: NDArray[np.uint8]) -> None:
    """
    Check that an array is an image as the detector takes it.

    :param image_rgb: anything
    :raises ImageError: when it is not (H, W, 3) uint8 with at least one pixel
    """
    if not isinstance(image_rgb, np.ndarray):
        raise ImageError(
            f'image: received {type(image_rgb).__name__}; expected a NumPy array (H, W, 3) uint8'
        )
    if image_rgb.dtype != np.uint8 or image_rgb.ndim != 3 or image_rgb.shape[2] != 3:
        raise ImageError(
            f'image: received shape {image_rgb.shape} {image_rgb.dtype}; expected (H, W, 3) '
            f'uint8, RGB; convert it first (cv2.cvtColor, or scale floats to 0..255)'
        )
    if 0 in image_rgb.shape:
        raise ImageError(
            f'image: received {image_rgb.shape[1]}x{image_rgb.shape[0]} pixels; '
            f'expected at least 1x1; check the camera or the file'
        )
