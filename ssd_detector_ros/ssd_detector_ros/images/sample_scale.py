"""Samples of two bytes, of which a camera may use fewer bits: to one byte."""

import numpy as np
from numpy.typing import NDArray

from ssd_detector.images.decoding import Samples, scale_to_8_bits

FULL_BITS = 16
# Of what cameras put into 16 bits.
_USUAL_BITS = (10, 12)


class SampleScale:
    """
    Scales samples of one camera, and remembers the highest: it tells a wrong number of bits.

    :param bits: that the samples use; 16 for all of the two bytes
    """

    def __init__(self, bits: int = FULL_BITS) -> None:
        self._bits = bits
        self._limit = 2**bits - 1
        # Higher than that, and all is well, or wrong for sure: no need to look on.
        self._telling = self._limit if bits < FULL_BITS else 2 ** _USUAL_BITS[-1] - 1
        self._highest: int | None = None

    def to_8_bits(self, samples: Samples) -> NDArray[np.uint8]:
        """
        Scale 0..2^bits - 1 to 0..255, to the nearest; what lies above becomes 255.

        :param samples: of the computer's byte order; those of one byte stay
        :return: of the same shape
        """
        is_wide = samples.dtype == np.uint16 and samples.size > 0
        if is_wide and (self._highest is None or self._highest <= self._telling):
            self._highest = max(int(samples.max()), self._highest or 0)
        return scale_to_8_bits(samples, self._limit)

    def forget(self) -> None:
        """Begin anew, with images of another time."""
        self._highest = None

    @property
    def finding(self) -> str:
        """What is wrong with the number of bits, by the images so far; empty when it may fit."""
        if self._highest is None:
            return ''
        if self._highest > self._limit:
            return (
                f'a sample of {self._highest} is above the {self._limit} of sample_bits '
                f'{self._bits} and shown as white; set sample_bits to '
                f'{max(self._highest.bit_length(), self._bits)}'
            )
        if self._bits < FULL_BITS or self._highest > self._telling:
            return ''
        bits = next(bits for bits in _USUAL_BITS if self._highest < 2**bits)
        return (
            f'images of 16 bits hold no sample above {2**bits - 1} and are nearly black; if the '
            f'camera gives {bits} bits, set sample_bits to {bits}'
        )
