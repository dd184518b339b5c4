"""Which code turns a message into pixels: ours, or cv_bridge where the distribution has it."""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray
from sensor_msgs.msg import CompressedImage, Image

from ssd_detector import ConfigError, ImageError
from ssd_detector_ros.compressed_images import decode_rgb
from ssd_detector_ros.image_conversion import ENCODINGS, to_rgb
from ssd_detector_ros.serialized_images import ReceivedImage

ImageConversion = Literal['auto', 'cv_bridge', 'builtin']
IMAGE_CONVERSIONS: tuple[ImageConversion, ...] = ('auto', 'cv_bridge', 'builtin')
# What cv_bridge's conversions to rgb8 get right in every distribution, and only without row
# padding: it takes rows for whole pixels (`step / channels`), or fails. It knows no NV12 and NV21,
# and byte swapping fails with NumPy 2 (`newbyteorder`).
CV_BRIDGE_ENCODINGS = ('rgb8', 'bgr8', 'rgba8', 'bgra8', 'mono8')

Message: TypeAlias = Image | ReceivedImage | CompressedImage
Converter = Callable[[Message], NDArray[np.uint8]]


def make_converter(image_conversion: ImageConversion) -> Converter:
    """
    Choose how messages are converted.

    :param image_conversion: auto takes cv_bridge, where it is there, for what it converts right
    :return: message -> (H, W, 3) uint8 RGB, raising ImageError; a CompressedImage is decoded by
        OpenCV in any case
    :raises ConfigError: when cv_bridge is asked for and not there
    """
    if image_conversion == 'builtin':
        return _convert_builtin
    if find_spec('cv_bridge') is None:
        if image_conversion == 'cv_bridge':
            raise ConfigError(
                [
                    'image_conversion: received cv_bridge, which is not installed; install '
                    'ros-<distro>-cv-bridge, or set auto or builtin'
                ]
            )
        return _convert_builtin
    bridge = _CvBridgeConverter()
    return _prefer(bridge) if image_conversion == 'auto' else bridge


def _convert_builtin(message: Message) -> NDArray[np.uint8]:
    return decode_rgb(message) if isinstance(message, CompressedImage) else to_rgb(message)


def _is_right_in_cv_bridge(message: Image | ReceivedImage) -> bool:
    if message.encoding not in CV_BRIDGE_ENCODINGS:
        return False
    return bool(message.step == message.width * ENCODINGS[message.encoding].num_channels)


def _prefer(bridge: '_CvBridgeConverter') -> Converter:
    def convert(message: Message) -> NDArray[np.uint8]:
        if isinstance(message, CompressedImage) or not _is_right_in_cv_bridge(message):
            return _convert_builtin(message)
        try:
            return bridge(message)
        except ImageError:
            # Ours takes what this version of cv_bridge does not, or says what is wrong with it.
            return _convert_builtin(message)

    return convert


class _CvBridgeConverter:
    """Converts by cv_bridge."""

    def __init__(self) -> None:
        from cv_bridge import CvBridge

        self._bridge = CvBridge()

    def __call__(self, message: Message) -> NDArray[np.uint8]:
        if isinstance(message, CompressedImage):
            return decode_rgb(message)
        if message.width == 0 or message.height == 0:
            raise ImageError(
                f'image size: received {message.width}x{message.height} {message.encoding}; '
                f'expected at least 1x1; check the camera'
            )
        try:
            image_rgb = self._bridge.imgmsg_to_cv2(message, 'rgb8')
        # What it raises for wrong sizes depends on NumPy and Boost; CvBridgeError is not enough.
        except Exception as error:
            raise ImageError(
                f'image: received {message.width}x{message.height} {message.encoding} with step '
                f'{message.step} and {len(message.data)} bytes; cv_bridge can not convert it to '
                f'rgb8 ({error}); set image_conversion to builtin'
            ) from error
        return np.asarray(image_rgb, np.uint8)
