"""sensor_msgs/CompressedImage to (H, W, 3) uint8 RGB."""

import re
from typing import Any, Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector import ImageError
from ssd_detector.images.heads import find_jpeg_fault, read_claimed_size_wh
from ssd_detector_ros.image_conversion import debayer
from ssd_detector_ros.quoting import quoted
from ssd_detector_ros.sample_scale import SampleScale

# Without IGNORE_ORIENTATION OpenCV turns the image as its EXIF data ask: boxes would no longer
# be in the camera's pixels. Grey and 16 bits stay what they are: a mosaic would be no more.
_FLAGS = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION
# `format` as image_transport writes it: "ENCODING; CODEC compressed TARGET", TARGET being what the
# pixels were made into before; a mosaic without one was compressed as it is.
_FORMAT = re.compile(r'([^;]*);.* compressed *(\w*) *')
_MOSAIC = re.compile(r'bayer_(rggb|bggr|gbrg|grbg)(8|16)')
# What sensor_msgs calls the numbers of a depth camera.
_NUMBERS = re.compile(r'(16|32|64)[USF]C\d*')
# A few bytes can claim any size; this is the double of the largest camera images in use.
MAX_PIXELS = 100_000_000


class CompressedFields(Protocol):
    """What counts of a sensor_msgs/CompressedImage, whoever read it."""

    @property
    def format(self) -> str:
        """What image_transport says of it."""

    @property
    def data(self) -> Any:
        """The file: anything with a buffer."""


def decode_rgb(message: CompressedFields, scale: SampleScale | None = None) -> NDArray[np.uint8]:
    """
    Decode a compressed image.

    :param message: JPEG, PNG or whatever else OpenCV reads, also of a mosaic; not of a depth image
    :param scale: of samples of two bytes; from 0..65535 when not given
    :return: (H, W, 3) uint8 RGB
    :raises ImageError: when the data are no such image, or end too early
    """
    data = bytes(message.data)
    what = f'format {quoted(message.format)}, {len(data)} bytes'
    encoding, target = _read_format(message.format)
    if 'compressedDepth' in message.format or _NUMBERS.fullmatch(encoding):
        raise ImageError(
            f'compressed image: received {what}: a depth image; expected a picture; '
            f'choose the topic of the colour or mono camera'
        )
    # libjpeg fills the rest of a truncated picture with grey and says nothing.
    if find_jpeg_fault(data):
        raise ImageError(
            f'compressed image: received {what}: a JPEG without an end; expected a whole one; '
            f'the message is truncated'
        )
    _check_size(data, what)
    pixels = _decode(data)
    if pixels is None or pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            f'compressed image: received {what}, which can not be decoded; expected JPEG or PNG; '
            f'check the publisher, and that image_transport fits the topic'
        )
    if pixels.dtype == np.uint16:
        pixels = (scale or SampleScale()).to_8_bits(pixels)
    if pixels.ndim == 3:
        return cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB).astype(np.uint8, copy=False)
    if mosaic := _MOSAIC.fullmatch(target or encoding):
        return debayer(pixels, mosaic[1])
    return cv2.cvtColor(pixels, cv2.COLOR_GRAY2RGB).astype(np.uint8, copy=False)


def _read_format(text: str) -> tuple[str, str]:
    """Read the encoding before compression and the target; empty where they are not named."""
    fields = _FORMAT.fullmatch(text)
    return (fields[1].strip(), fields[2]) if fields else ('', '')


def _decode(data: bytes) -> NDArray[Any] | None:
    """Decode to (H, W) or, in the order BGR, (H, W, 3)."""
    if not data:
        return None
    try:
        return cv2.imdecode(np.frombuffer(data, np.uint8), _FLAGS)
    except cv2.error:
        return None


def _check_size(data: bytes, what: str) -> None:
    """Refuse an image that claims more pixels than memory should be taken for."""
    # Of others than PNG and JPEG OpenCV has a limit of its own.
    width_px, height_px = read_claimed_size_wh(data) or (0, 0)
    if width_px * height_px > MAX_PIXELS:
        raise ImageError(
            f'compressed image: received {what}, which claims {width_px}x{height_px} pixels; '
            f'expected at most {MAX_PIXELS}; check the publisher'
        )
