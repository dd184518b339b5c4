"""How many pixels threads hold at the same time: together no more than one picture may have."""

from collections.abc import Iterator
from contextlib import contextmanager
import threading

from ssd_detector.images.claims import read_claim
from ssd_training.data.images.records import EncodedImage

# Of a picture that is not compressed: its file is as large as what comes of it.
_BYTES_PER_PIXEL = 3


class PixelRoom:
    """Lets threads wait until there is room for their pictures."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._num_taken = 0

    @contextmanager
    def take(self, image: EncodedImage) -> Iterator[bytes]:
        """
        Wait until there is room for a picture, and read its file.

        :param image: that will be decoded
        :return: the content
        :raises DataError: when it can't be read
        """
        most = image.decoding.max_pixels
        taken = self._acquire(image.measure_bytes() // _BYTES_PER_PIXEL, most)
        try:
            content = image.read_bytes()
            claim = read_claim(content)
            # What claims more than there is will not be decoded.
            if claim and taken < claim.num_pixels <= most:
                # Two that hold some and wait for more would wait for each other.
                self._release(taken)
                taken = 0
                taken = self._acquire(claim.num_pixels, most)
            yield content
        finally:
            self._release(taken)

    def _acquire(self, num_pixels: int, most: int) -> int:
        wanted = min(num_pixels, most)
        with self._changed:
            self._changed.wait_for(lambda: not wanted or self._num_taken + wanted <= most)
            self._num_taken += wanted
        return wanted

    def _release(self, num_pixels: int) -> None:
        with self._changed:
            self._num_taken -= num_pixels
            self._changed.notify_all()
