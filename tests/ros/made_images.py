"""Images of one colour, and broken ones."""

from typing import Any

import cv2
import numpy as np
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from ssd_detector_ros.outputs.messages import to_image


def plain_image(red: int = 0, green: int = 0, blue: int = 0, *, size_wh=(64, 48)) -> Image:
    """
    Build an image of one colour.

    :param red: 0..255, also the score of the tiny bundle's `red`, times 255
    :param green: likewise
    :param blue: likewise
    :param size_wh: px
    :return: rgb8
    """
    width_px, height_px = size_wh
    image_rgb = np.full((height_px, width_px, 3), (red, green, blue), np.uint8)
    return to_image(image_rgb, Header())


def broken(**fields: Any) -> Image:
    """
    Build an image with something wrong in it.

    :param fields: of the message
    :return: the message
    """
    message = plain_image(red=255)
    for name, value in fields.items():
        setattr(message, name, value)
    return message


def compressed_image(red: int = 0) -> CompressedImage:
    """
    Build a JPEG of one colour.

    :param red: 0..255
    :return: 64x48
    """
    image_bgr = np.full((48, 64, 3), (0, 0, red), np.uint8)
    return CompressedImage(data=cv2.imencode('.jpg', image_bgr)[1].tobytes(), format='jpeg')
