"""Which code turns a message into pixels: ours, or cv_bridge where the distribution has it."""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from ssd_detector import ConfigError, ImageError
from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_detector.printable import quoted
from ssd_detector_ros.images.compressed_images import decode_rgb
from ssd_detector_ros.images.conversions import ImageConversion
from ssd_detector_ros.images.raw_images import ENCODINGS, to_rgb
from ssd_detector_ros.images.sample_scale import FULL_BITS, SampleScale
from ssd_detector_ros.images.serialized_images import ReceivedImage

# What cv_bridge's conversions to rgb8 get right in every distribution, and only without row
# padding: it takes rows for whole pixels (`step / channels`), or fails. It knows no NV12 and NV21,
# and byte swapping fails with NumPy 2 (`newbyteorder`).
CV_BRIDGE_ENCODINGS = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8')

Message: TypeAlias = Image | ReceivedImage | CompressedImage
Converter = Callable[[Message, SampleScale], NDArray[np.uint8]]


def make_converter(
    image_conversion: ImageConversion,
    *,
    sample_bits: int = FULL_BITS,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> Converter:
    """
    Choose how messages are converted.

    :param image_conversion: auto takes cv_bridge, where it is there, for what it converts right
    :param sample_bits: of the scales that it will be given
    :param max_pixels: that an image may have, or claim to have
    :return: message, scale of its samples -> (H, W, 3) uint8 RGB, raising ImageError; a
        CompressedImage is decoded by OpenCV in any case
    :raises ConfigError: when cv_bridge is asked for and not there, or for what it does not do
    """
    builtin = partial(_convert_builtin, max_pixels=max_pixels)
    if image_conversion == 'builtin':
        return builtin
    if find_spec('cv_bridge') is None:
        if image_conversion == 'cv_bridge':
            raise ConfigError(
                [
                    'image_conversion: received cv_bridge, which is not installed; install '
                    'ros-<distro>-cv-bridge, or set auto or builtin'
                ]
            )
        return builtin
    if image_conversion == 'cv_bridge' and sample_bits != FULL_BITS:
        raise ConfigError(
            [
                f'sample_bits: received {sample_bits}; expected {FULL_BITS} with image_conversion '
                f'cv_bridge; set image_conversion to auto or builtin'
            ]
        )
    bridge = _CvBridgeConverter(max_pixels)
    return _prefer(bridge, builtin) if image_conversion == 'auto' else bridge


def _convert_builtin(
    message: Message, scale: SampleScale, *, max_pixels: int
) -> NDArray[np.uint8]:
    if isinstance(message, CompressedImage):
        return decode_rgb(message, scale, max_pixels=max_pixels)
    return to_rgb(message, scale, max_pixels=max_pixels)


def _is_right_in_cv_bridge(message: Image | ReceivedImage) -> bool:
    if message.encoding not in CV_BRIDGE_ENCODINGS:
        return False
    return bool(message.step == message.width * ENCODINGS[message.encoding].num_channels)


def _prefer(bridge: '_CvBridgeConverter', builtin: Converter) -> Converter:
    def convert(message: Message, scale: SampleScale) -> NDArray[np.uint8]:
        if isinstance(message, CompressedImage) or not _is_right_in_cv_bridge(message):
            return builtin(message, scale)
        try:
            return bridge(message, scale)
        except ImageError:
            # Ours takes what this version of cv_bridge does not, or says what is wrong with it.
            return builtin(message, scale)

    return convert


class _CvBridgeConverter:
    """
    Converts by cv_bridge.

    :param max_pixels: that an image may have, or claim to have
    """

    def __init__(self, max_pixels: int) -> None:
        from cv_bridge import CvBridge

        self._bridge = CvBridge()
        self._max_pixels = max_pixels

    def __call__(self, message: Message, scale: SampleScale) -> NDArray[np.uint8]:
        if isinstance(message, CompressedImage):
            return decode_rgb(message, scale, max_pixels=self._max_pixels)
        what = f'{message.width}x{message.height} {quoted(message.encoding)}'
        if not 0 < message.width * message.height <= self._max_pixels:
            raise ImageError(
                f'image size: received {what}; expected at least 1x1, and at most '
                f'{self._max_pixels} pixels; check the camera, or raise max_image_pixels'
            )
        try:
            image_rgb = self._bridge.imgmsg_to_cv2(message, 'rgb8')
        # What it raises for wrong sizes depends on NumPy and Boost; CvBridgeError is not enough.
        except Exception as error:
            raise ImageError(
                f'image: received {what} with step {message.step} and {len(message.data)} bytes; '
                f'cv_bridge can not convert it to rgb8 ({quoted(str(error))}); set '
                f'image_conversion to builtin'
            ) from error
        return np.asarray(image_rgb, np.uint8)
