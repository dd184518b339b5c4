"""sensor_msgs/CompressedImage to (H, W, 3) uint8 RGB."""

import re
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from ssd_detector import ImageError
from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_detector.images.decoding import decode_samples, to_rgb
from ssd_detector.printable import quoted
from ssd_detector_ros.images.raw_images import debayer
from ssd_detector_ros.images.sample_scale import SampleScale

# `format` as image_transport writes it: "ENCODING; CODEC compressed TARGET", TARGET being what the
# pixels were made into before; a mosaic without one was compressed as it is.
_FORMAT = re.compile(r'([^;]*);.* compressed *(\w*) *')
_MOSAIC = re.compile(r'bayer_(rggb|bggr|gbrg|grbg)(8|16)')
# What sensor_msgs calls the numbers of a depth camera.
_NUMBERS = re.compile(r'(16|32|64)[USF]C\d*')
_ADVICE = 'check the publisher, that image_transport fits the topic, and max_image_pixels'


class CompressedFields(Protocol):
    """What counts of a sensor_msgs/CompressedImage, whoever read it."""

    @property
    def format(self) -> str:
        """What image_transport says of it."""

    @property
    def data(self) -> Any:
        """The file: anything with a buffer."""


def decode_rgb(
    message: CompressedFields,
    scale: SampleScale | None = None,
    *,
    max_pixels: int = MAX_IMAGE_PIXELS,
) -> NDArray[np.uint8]:
    """
    Decode a compressed image.

    :param message: JPEG, PNG or another format of decode_samples, also of a mosaic; not of a depth
        image
    :param scale: of samples of two bytes; from 0..65535 when not given
    :param max_pixels: that it may claim to have
    :return: (H, W, 3) uint8 RGB
    :raises ImageError: when the data are no such image, end too early, or claim too much
    """
    data = bytes(message.data)
    what = f'format {quoted(message.format)}, {len(data)} bytes'
    encoding, target = _read_format(message.format)
    if 'compressedDepth' in message.format or _NUMBERS.fullmatch(encoding):
        raise ImageError(
            f'compressed image: received {what}: a depth image; expected a picture; '
            f'choose the topic of the colour or mono camera'
        )
    try:
        samples = decode_samples(data, max_pixels=max_pixels, advice=_ADVICE)
    except ImageError as error:
        raise ImageError(
            f'compressed image: received format {quoted(message.format)}, which {error}'
        ) from error
    pixels = (scale or SampleScale()).to_8_bits(samples)
    if pixels.ndim == 2 and (mosaic := _MOSAIC.fullmatch(target or encoding)):
        return debayer(pixels, mosaic[1])
    return to_rgb(pixels)


def _read_format(text: str) -> tuple[str, str]:
    """Read the encoding before compression and the target; empty where they are not named."""
    fields = _FORMAT.fullmatch(text)
    return (fields[1].strip(), fields[2]) if fields else ('', '')
