"""Image files: which are read, what their heads say, and their pixels as they are stored."""

from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.errors import ImageError
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
# turn_upright.
_AS_STORED = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION


def decode_rgb(content: bytes) -> NDArray[np.uint8]:
    """
    Decode an image file; the position of the camera does not count.

    For JPEG, libjpeg's exact DCT: equal to `tf.io.decode_jpeg(dct_method='INTEGER_ACCURATE')`.
    Grey and palettes become colours, transparency is dropped, 16 bits lose their lower 8.

    :param content: of the file
    :return: (H, W, 3) uint8, RGB
    :raises ImageError: when it is no image, or only a part of one
    """
    if fault := find_jpeg_fault(content):
        raise ImageError(f'{fault} ({len(content)} bytes); get it again')
    try:
        image_bgr = cv2.imdecode(np.frombuffer(content, np.uint8), _AS_STORED) if content else None
    except cv2.error:
        # More pixels than OpenCV allows.
        image_bgr = None
    if image_bgr is None:
        advice = name_kind(content) or 'get it again'
        raise ImageError(f'can not be read as an image ({len(content)} bytes); {advice}')
    return np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)


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
