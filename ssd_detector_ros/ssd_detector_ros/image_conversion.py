"""sensor_msgs/Image to (H, W, 3) uint8 RGB, without cv_bridge."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import Image

from ssd_detector import ImageError


@dataclass(frozen=True)
class Encoding:
    """
    How an encoding of sensor_msgs is turned into RGB.

    :param num_channels: bytes a pixel
    :param conversion: of cv2.cvtColor; None when it is RGB already
    """

    num_channels: int
    conversion: int | None


ENCODINGS = {
    'rgb8': Encoding(3, None),
    'bgr8': Encoding(3, cv2.COLOR_BGR2RGB),
    'rgba8': Encoding(4, cv2.COLOR_RGBA2RGB),
    'bgra8': Encoding(4, cv2.COLOR_BGRA2RGB),
    'mono8': Encoding(1, cv2.COLOR_GRAY2RGB),
}


def to_rgb(message: Image) -> NDArray[np.uint8]:
    """
    Convert an image message; rgb8 without row padding is not even copied.

    :param message: one of ENCODINGS; rows may be padded (`step`)
    :return: (H, W, 3) uint8 RGB, perhaps a view of the message's data
    :raises ImageError: when encoding, size, step and data are unknown or do not fit together
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ImageError(
            f"image encoding: received '{message.encoding}'; expected one of "
            f'{", ".join(ENCODINGS)}; set the encoding in the camera driver'
        )
    _check_layout(message, encoding)
    height_px, width_px, step = message.height, message.width, message.step
    rows = np.frombuffer(message.data, np.uint8, count=height_px * step)
    pixels = rows.reshape(height_px, step)[:, : width_px * encoding.num_channels]
    image = pixels.reshape(height_px, width_px, encoding.num_channels)
    if encoding.conversion is None:
        return image
    return cv2.cvtColor(image, encoding.conversion).astype(np.uint8, copy=False)


def _check_layout(message: Image, encoding: Encoding) -> None:
    size = f'{message.width}x{message.height} {message.encoding}'
    if message.width == 0 or message.height == 0:
        raise ImageError(f'image size: received {size}; expected at least 1x1; check the camera')
    row_bytes = message.width * encoding.num_channels
    if message.step < row_bytes:
        raise ImageError(
            f'image step: received {message.step} bytes for {size}; '
            f'expected at least {row_bytes}; correct the publisher'
        )
    if len(message.data) < message.step * message.height:
        raise ImageError(
            f'image data: received {len(message.data)} bytes for {size} with step {message.step}; '
            f'expected {message.step * message.height}; the message is truncated'
        )
