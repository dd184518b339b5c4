"""From the bytes of an annotated image to its pixels: which way up is decided here."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ssd_detector.errors import ImageError
from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_detector.images.decoding import decode_image, decode_samples, turn_upright
from ssd_detector.images.heads import PNG_START, read_claimed_size_wh, read_orientation
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import Orientation

Decision = Literal['plain', 'upright', 'stored', 'undecided']

_TIFF_STARTS = (b'II*\0', b'MM\0*')
# Of 16 bits; what uses fewer is nearly black, as 65535 is white.
_FEW_BITS = 12


@dataclass(frozen=True)
class Decoding:
    """
    How an image is decoded.

    Boxes were drawn on what a labelling tool showed: most turn a picture as its EXIF data ask,
    some show it as it is stored. The size in the annotation tells which.

    :param orientation: auto decides by size_wh, and takes upright where that tells nothing
    :param size_wh: px, as the annotation says; None where it says nothing
    :param max_pixels: of an image, as its head claims; with more, nothing is decoded
    """

    orientation: Orientation = 'auto'
    size_wh: tuple[int, int] | None = None
    max_pixels: int = MAX_IMAGE_PIXELS

    def decode(self, content: bytes, name: str) -> NDArray[np.uint8]:
        """
        Decode an image file.

        :param content: of the file
        :param name: of the file, for the message
        :return: (H, W, 3) uint8, RGB
        :raises DataError: when it is no image, only a part of one, or one that claims too much
        """
        try:
            image_rgb = decode_image(content, max_pixels=self.max_pixels)
        except ImageError as error:
            raise DataError([f'{name}: {error}']) from error
        orientation = read_orientation(content)
        stored_wh = image_rgb.shape[1], image_rgb.shape[0]
        if orientation == 1 or not self._is_turned(orientation, stored_wh):
            return image_rgb
        return turn_upright(image_rgb, orientation)

    def measure_wh(self, content: bytes, name: str) -> tuple[int, int]:
        """
        Tell the size that decode gives; of a JPEG or PNG without decoding it.

        :param content: of the file
        :param name: of the file, for the message
        :return: px
        :raises DataError: when it is no image
        """
        stored_wh = read_claimed_size_wh(content)
        if stored_wh is None or 0 in stored_wh:
            height_px, width_px = self.decode(content, name).shape[:2]
            return width_px, height_px
        orientation = read_orientation(content)
        is_swapped = orientation > 4 and self._is_turned(orientation, stored_wh)
        return (stored_wh[1], stored_wh[0]) if is_swapped else stored_wh

    def explain(self, content: bytes) -> Decision:
        """
        Tell why an image is turned, or not.

        :param content: of the file; the beginning is enough for most
        :return: plain where the file says nothing, undecided where upright was taken because
            nothing tells what is right
        """
        orientation = read_orientation(content)
        if orientation == 1:
            return 'plain'
        if self.orientation != 'auto':
            return self.orientation
        if not self._tells(orientation):
            return 'undecided'
        return 'stored' if read_claimed_size_wh(content) == self.size_wh else 'upright'

    def _tells(self, orientation: int) -> bool:
        """Whether the size in the annotation fits one way only: not by half a turn, no square."""
        return orientation > 4 and self.size_wh is not None and self.size_wh[0] != self.size_wh[1]

    def _is_turned(self, orientation: int, stored_wh: tuple[int, int]) -> bool:
        if self.orientation == 'auto' and self._tells(orientation):
            return self.size_wh != stored_wh
        return self.orientation != 'stored'


# Which way up the size in the annotation tells, and the largest images are none.
DEFAULT_DECODING = Decoding()


def count_used_bits(content: bytes, *, max_pixels: int = MAX_IMAGE_PIXELS) -> int | None:
    """
    Find an image of 16 bits that uses few of them, as cameras of 10 and 12 bits write.

    :param content: of a file
    :param max_pixels: see Decoding
    :return: the bits that its largest sample takes; None when nothing is odd
    """
    is_wide_png = content.startswith(PNG_START) and content[24:25] == b'\x10'
    if not is_wide_png and not content.startswith(_TIFF_STARTS):
        return None
    try:
        samples = decode_samples(content, max_pixels=max_pixels)
    except ImageError:
        return None
    if samples.dtype != np.uint16:
        return None
    num_bits = int(samples.max()).bit_length()
    return num_bits if num_bits <= _FEW_BITS else None
