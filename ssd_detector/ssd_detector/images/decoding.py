"""Image files: which are read, what their heads say, and their pixels as they are stored."""

from typing import cast, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.errors import ImageError
from ssd_detector.images.claims import MAX_IMAGE_PIXELS, read_claim
from ssd_detector.images.heads import find_jpeg_fault, name_kind

# OpenCV reads what the content says; these are the names that are looked for.
IMAGE_SUFFIXES: Final = (
    '.jpg',
    '.jpeg',
    '.jpe',
    '.jfif',
    '.png',
    '.bmp',
    '.webp',
    '.tif',
    '.tiff',
)
# OpenCV turns an image as its EXIF data ask, in some formats and versions; who wants that calls
# turn_upright. Grey stays grey and 16 bits stay: a mosaic would be none any more.
_AS_STORED = cv2.IMREAD_ANYCOLOR | cv2.IMREAD_ANYDEPTH | cv2.IMREAD_IGNORE_ORIENTATION

Samples = NDArray[np.uint8] | NDArray[np.uint16]


def decode_image(content: bytes, *, max_pixels: int = MAX_IMAGE_PIXELS) -> NDArray[np.uint8]:
    """
    Decode an image file; the position of the camera does not count.

    For JPEG, libjpeg's exact DCT: equal to `tf.io.decode_jpeg(dct_method='INTEGER_ACCURATE')`.
    Grey and palettes become colours, transparency is dropped, 16 bits become 8.

    :param content: of the file
    :param max_pixels: that it may claim to have
    :return: (H, W, 3) uint8, RGB
    :raises ImageError: when it is no image, only a part of one, or one that claims too much
    """
    return to_rgb(scale_to_8_bits(decode_samples(content, max_pixels=max_pixels)))


def decode_samples(
    content: bytes, *, max_pixels: int = MAX_IMAGE_PIXELS, advice: str = 'get it again'
) -> Samples:
    """
    Decode an image file to what is stored: the one decoder of training, prediction and node.

    Of an animation and of several pages the first is taken.

    :param content: of the file
    :param max_pixels: that it may claim to have; with more, nothing is decoded
    :param advice: what to do about bytes that are no image, where their kind does not tell
    :return: (H, W) grey, or (H, W, 3) in OpenCV's order BGR
    :raises ImageError: when it is no image of 8 or 16 bits in a format that is read, only a part
        of one, or one that claims too much
    """
    if fault := find_jpeg_fault(content):
        raise ImageError(f'{fault} ({len(content)} bytes); {advice}')
    claim = read_claim(content)
    if claim and (excess := claim.find_excess(max_pixels)):
        raise ImageError(
            f'{excess} ({len(content)} bytes); raise max_image_pixels if that is real, or {advice}'
        )
    samples = _decode(content) if claim else None
    if samples is None:
        raise ImageError(
            f'can not be read as an image ({len(content)} bytes); {name_kind(content) or advice}'
        )
    if samples.dtype not in (np.uint8, np.uint16):
        # No number of theirs is white.
        raise ImageError(
            f'can not be read as an image of 8 or 16 bits: it holds {samples.dtype} '
            f'({len(content)} bytes); save it as PNG'
        )
    return cast(Samples, samples)


def _decode(content: bytes) -> NDArray[np.generic] | None:
    try:
        return cv2.imdecode(np.frombuffer(content, np.uint8), _AS_STORED)
    except cv2.error:
        # OpenCV asserts what it did not expect.
        return None


def scale_to_8_bits(samples: Samples, highest: int = 2**16 - 1) -> NDArray[np.uint8]:
    """
    Scale samples of two bytes to one, to the nearest; what lies above the highest becomes 255.

    :param samples: (H, W) or (H, W, 3); those of one byte stay
    :param highest: becomes 255
    :return: of the same shape
    """
    if samples.dtype == np.uint8:
        return cast(NDArray[np.uint8], samples)
    scaled = cv2.convertScaleAbs(samples, alpha=255 / highest)
    return scaled.reshape(samples.shape).astype(np.uint8, copy=False)


def to_rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """
    Give grey pixels colours, and coloured ones the order of the suite.

    :param pixels: (H, W) grey, or (H, W, 3) BGR
    :return: (H, W, 3) uint8, RGB
    """
    code = cv2.COLOR_GRAY2RGB if pixels.ndim == 2 else cv2.COLOR_BGR2RGB
    return np.asarray(cv2.cvtColor(pixels, code), np.uint8)


def turn_upright(image_rgb: NDArray[np.uint8], orientation: int) -> NDArray[np.uint8]:
    """
    Turn an image as the camera was held.

    :param image_rgb: (H, W, 3), as it is stored
    :param orientation: 1 to 8, see read_orientation
    :return: the same pixels in their upright places
    """
    # EXIF 2.3, table 6: which edges of what is seen the first row and the first column are.
    turned = image_rgb.transpose(1, 0, 2) if orientation > 4 else image_rgb
    rows = slice(None, None, -1 if orientation in (3, 4, 7, 8) else 1)
    columns = slice(None, None, -1 if orientation in (2, 3, 6, 7) else 1)
    return np.ascontiguousarray(turned[rows, columns])
