"""sensor_msgs/Image to (H, W, 3) uint8 RGB: encodings, row padding, byte order."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector import ImageError
from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_detector.printable import quoted
from ssd_detector_ros.images.sample_scale import SampleScale

Pixels = NDArray[np.uint8]
# OpenCV computes the outermost row and column of a Bayer image from too few neighbours.
_BAYER_BORDER_PX = 2


class ImageFields(Protocol):
    """What counts of a sensor_msgs/Image, whoever read it: rclpy, this package, or rosbags."""

    # Properties: some of the classes are frozen.
    @property
    def height(self) -> int:
        """Rows of pixels."""

    @property
    def width(self) -> int:
        """Pixels of a row."""

    @property
    def encoding(self) -> str:
        """Name of the layout, as sensor_msgs has it."""

    @property
    def is_bigendian(self) -> int:
        """Byte order of samples of two bytes."""

    @property
    def step(self) -> int:
        """Bytes of a row, with padding."""

    @property
    def data(self) -> Any:
        """The rows: anything with a buffer."""


@dataclass(frozen=True)
class Encoding:
    """
    How an encoding of sensor_msgs is laid out and turned into RGB.

    :param num_channels: samples a pixel in a row of the data
    :param to_rgb: (H, W, channels) uint8 -> (H, W, 3) uint8
    :param num_bytes: of a sample
    :param planes: rows of the data for each row of pixels
    :param even_sides: which of width and height have to be even
    """

    num_channels: int
    to_rgb: Callable[[Pixels], Pixels]
    num_bytes: int = 1
    planes: float = 1.0
    even_sides: str = ''


def _by_color_code(code: int) -> Callable[[Pixels], Pixels]:
    return lambda pixels: cv2.cvtColor(pixels, code).astype(np.uint8, copy=False)


# OpenCV names a pattern by its second row, ROS by its first.
_BAYER_CODES = {
    'rggb': cv2.COLOR_BayerBG2RGB,
    'bggr': cv2.COLOR_BayerRG2RGB,
    'gbrg': cv2.COLOR_BayerGR2RGB,
    'grbg': cv2.COLOR_BayerGB2RGB,
}


def debayer(mosaic: Pixels, pattern: str) -> Pixels:
    """
    Give each pixel the mean of the nearest samples of each colour.

    :param mosaic: (H, W) uint8, of any size
    :param pattern: of its first four pixels, such as rggb
    :return: (H, W, 3) uint8 RGB
    """
    border = _BAYER_BORDER_PX
    framed = cv2.copyMakeBorder(mosaic, border, border, border, border, cv2.BORDER_REFLECT_101)
    image_rgb = cv2.cvtColor(framed, _BAYER_CODES[pattern])[border:-border, border:-border]
    return image_rgb.astype(np.uint8)


def _by_bayer_pattern(pattern: str) -> Callable[[Pixels], Pixels]:
    return lambda pixels: debayer(pixels[..., 0], pattern)


_MONO = _by_color_code(cv2.COLOR_GRAY2RGB)
_UYVY = Encoding(2, _by_color_code(cv2.COLOR_YUV2RGB_UYVY), even_sides='w')
_YUYV = Encoding(2, _by_color_code(cv2.COLOR_YUV2RGB_YUY2), even_sides='w')
ENCODINGS = {
    'rgb8': Encoding(3, lambda pixels: pixels),
    'bgr8': Encoding(3, _by_color_code(cv2.COLOR_BGR2RGB)),
    'rgba8': Encoding(4, _by_color_code(cv2.COLOR_RGBA2RGB)),
    'bgra8': Encoding(4, _by_color_code(cv2.COLOR_BGRA2RGB)),
    'mono8': Encoding(1, _MONO),
    'mono16': Encoding(1, _MONO, num_bytes=2),
    'rgb16': Encoding(3, lambda pixels: pixels, num_bytes=2),
    'bgr16': Encoding(3, _by_color_code(cv2.COLOR_BGR2RGB), num_bytes=2),
    'rgba16': Encoding(4, _by_color_code(cv2.COLOR_RGBA2RGB), num_bytes=2),
    'bgra16': Encoding(4, _by_color_code(cv2.COLOR_BGRA2RGB), num_bytes=2),
    # Old and new names of the same two layouts.
    'yuv422': _UYVY,
    'uyvy': _UYVY,
    'yuv422_yuy2': _YUYV,
    'yuyv': _YUYV,
    'nv12': Encoding(1, _by_color_code(cv2.COLOR_YUV2RGB_NV12), planes=1.5, even_sides='wh'),
    'nv21': Encoding(1, _by_color_code(cv2.COLOR_YUV2RGB_NV21), planes=1.5, even_sides='wh'),
    **{
        f'bayer_{pattern}{8 * num_bytes}': Encoding(
            1, _by_bayer_pattern(pattern), num_bytes=num_bytes
        )
        for pattern in _BAYER_CODES
        for num_bytes in (1, 2)
    },
}


def to_rgb(
    message: ImageFields,
    scale: SampleScale | None = None,
    *,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> Pixels:
    """
    Convert an image message; rgb8 without row padding is not even copied.

    :param message: one of ENCODINGS; rows may be padded (`step`), samples of two bytes may have
        either byte order
    :param scale: of samples of two bytes; from 0..65535 when not given
    :param max_pixels: that it may have: RGB takes three times as much room as a mosaic
    :return: (H, W, 3) uint8 RGB, perhaps a view of the message's data
    :raises ImageError: when encoding, size, step and data are unknown or do not fit together
    """
    encoding = ENCODINGS.get(message.encoding)
    if encoding is None:
        raise ImageError(
            f'image encoding: received {quoted(message.encoding)}; expected one of '
            f'{", ".join(ENCODINGS)}; set the encoding in the camera driver'
        )
    num_rows = round(message.height * encoding.planes)
    _check_layout(message, encoding, num_rows)
    if message.width * message.height > max_pixels:
        raise ImageError(
            f'image size: received {message.width}x{message.height} {message.encoding}; expected '
            f'at most {max_pixels} pixels; check the camera, or raise max_image_pixels'
        )
    rows = np.frombuffer(message.data, np.uint8, count=num_rows * message.step)
    row_bytes = message.width * encoding.num_channels * encoding.num_bytes
    pixels = rows.reshape(num_rows, message.step)[:, :row_bytes]
    if encoding.num_bytes == 2:
        samples = np.ascontiguousarray(pixels).view('>u2' if message.is_bigendian else '<u2')
        pixels = (scale or SampleScale()).to_8_bits(samples.astype(np.uint16, copy=False))
    return encoding.to_rgb(pixels.reshape(num_rows, message.width, encoding.num_channels))


def _check_layout(message: ImageFields, encoding: Encoding, num_rows: int) -> None:
    width_px, height_px = message.width, message.height
    size = f'{width_px}x{height_px} {message.encoding}'
    if width_px == 0 or height_px == 0:
        raise ImageError(f'image size: received {size}; expected at least 1x1; check the camera')
    odd_sides = [side for side in encoding.even_sides if {'w': width_px, 'h': height_px}[side] % 2]
    if odd_sides:
        raise ImageError(
            f'image size: received {size}; expected even numbers of pixels, as two of them share '
            f'a colour; correct the publisher'
        )
    row_bytes = width_px * encoding.num_channels * encoding.num_bytes
    if message.step < row_bytes:
        raise ImageError(
            f'image step: received {message.step} bytes for {size}; '
            f'expected at least {row_bytes}; correct the publisher'
        )
    if len(message.data) < message.step * num_rows:
        raise ImageError(
            f'image data: received {len(message.data)} bytes for {size} with step {message.step}; '
            f'expected {message.step * num_rows}; the message is truncated'
        )
