"""
What the head of an image file claims to hold: a few bytes can claim any number of pixels.

Each format that is decoded is read here first, as its decoder in OpenCV reads it; one whose head
nobody reads here is not decoded. Where a head says something twice, the larger counts.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import re

from ssd_detector.images.heads import JPEG_START, PNG_START, read_claimed_size_wh

# About the double of the largest camera images in use; 1.2 GB while it is decoded.
MAX_IMAGE_PIXELS = 100_000_000
# A pixel of a file that is not compressed has four samples of 16 bits at most.
_FILE_BYTES_PER_PIXEL = 8
# A small picture may have a large head: previews, films, what programs write for themselves.
_FILE_BYTES_AT_LEAST = 64 * 2**20

# Of a progressive JPEG every scan goes through all pixels; cameras and tools write 10 or so.
_SCANS_AT_LIMIT = 20
_SCAN_START = b'\xff\xda'
# Of netpbm: text, or nothing that counts, between two numbers. OpenCV skips a byte behind each.
_BLANK = rb'(?:\s|#[^\r\n]*[\r\n])*'
_NETPBM = re.compile(rb'P[1-6](?=\s)' + _BLANK + rb'(\d{1,10})[^\d]' + _BLANK + rb'(\d{1,10})')
# Bytes of a value, by TIFF's number of its type; others are no sizes.
_TIFF_TYPES = {1: 1, 3: 2, 4: 4, 6: 1, 8: 2, 9: 4, 16: 8, 17: 8}
_WIDTH, _HEIGHT, _BITS, _STRIP_ROWS, _TILE_WIDTH, _TILE_HEIGHT = 256, 257, 258, 278, 322, 323
# "The whole image is one strip", in the two ways of writing that.
_ONE_STRIP = {2**32 - 1, 2**31 - 1}


@dataclass(frozen=True)
class Claim:
    """
    What a decoder would have to make room and time for.

    :param width_px: of the picture; with samples of more than 16 bits, a multiple of it
    :param num_scans: ways through all pixels; 1 but for a JPEG
    """

    width_px: int
    height_px: int
    num_scans: int = 1

    @property
    def num_pixels(self) -> int:
        """Of the picture."""
        return self.width_px * self.height_px

    def find_excess(self, max_pixels: int) -> str:
        """
        Compare with what is allowed.

        :param max_pixels: of a picture; one of so many may have 20 scans
        :return: what is claimed and what is expected; empty when all is well
        """
        size = f'{self.width_px}x{self.height_px} pixels'
        if self.num_pixels > max_pixels:
            return f'claims {size}; expected at most {max_pixels}'
        most_scans = _SCANS_AT_LIMIT * max_pixels // max(self.num_pixels, 1)
        if self.num_scans > most_scans:
            return f'claims {self.num_scans} scans of {size}; expected at most {most_scans}'
        return ''


def largest_file_bytes(max_pixels: int) -> int:
    """
    Tell how large the file of a picture may be.

    :param max_pixels: that a picture may have
    :return: bytes
    """
    return max(_FILE_BYTES_PER_PIXEL * max_pixels, _FILE_BYTES_AT_LEAST)


def read_claim(content: bytes) -> Claim | None:
    """
    Read what an image file claims to hold.

    :param content: of the file
    :return: the claim; None where the head is none of a format that is decoded here: JPEG, PNG,
        BMP, WebP, TIFF, GIF, netpbm
    """
    reader = next((read for start, read in _READERS if content.startswith(start)), None)
    sizes = list(reader(content)) if reader else []
    if not sizes:
        return None
    width_px, height_px = max(sizes, key=lambda size: size[0] * size[1])
    # What stands behind the end of a JPEG, such as a film, seldom holds many scans by chance.
    num_scans = content.count(_SCAN_START) if content.startswith(JPEG_START) else 1
    return Claim(width_px, height_px, num_scans)


def _read_known(content: bytes) -> Iterator[tuple[int, int]]:
    size_wh = read_claimed_size_wh(content)
    if size_wh is not None:
        yield size_wh


def _read_bmp(content: bytes) -> Iterator[tuple[int, int]]:
    if len(content) < 26:
        return
    if _number(content, 14, 4) == 12:  # OS/2.
        yield _number(content, 18, 2), _number(content, 20, 2)
        return
    # A negative height is one from the top.
    width_px, height_px = (
        int.from_bytes(content[at : at + 4], 'little', signed=True) for at in (18, 22)
    )
    yield abs(width_px), abs(height_px)


def _read_webp(content: bytes) -> Iterator[tuple[int, int]]:
    kind = content[12:16]
    if content[8:12] != b'WEBP' or len(content) < 30:
        return
    if kind == b'VP8X':
        yield _number(content, 24, 3) + 1, _number(content, 27, 3) + 1
    elif kind == b'VP8L':
        bits = _number(content, 21, 4)
        yield (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
    elif kind == b'VP8 ':
        yield _number(content, 26, 2) & 0x3FFF, _number(content, 28, 2) & 0x3FFF


def _read_gif(content: bytes) -> Iterator[tuple[int, int]]:
    if len(content) >= 10:
        yield _number(content, 6, 2), _number(content, 8, 2)


def _read_netpbm(content: bytes) -> Iterator[tuple[int, int]]:
    if head := _NETPBM.match(content):
        yield int(head[1]), int(head[2])


def _read_tiff(content: bytes) -> Iterator[tuple[int, int]]:
    """Give the sizes of the first image, of its tiles and of its strips."""
    tags: dict[int, int] = {}
    for tag, value in _tiff_values(content):
        tags[tag] = max(tags.get(tag, 0), value)
    if not {_WIDTH, _HEIGHT} <= tags.keys():
        return
    # Samples of 64 bits take the room of four of 16.
    factor = -(-tags.get(_BITS, 1) // 16)
    width_px, strip_rows = tags[_WIDTH] * factor, tags.get(_STRIP_ROWS, 1)
    yield width_px, tags[_HEIGHT]
    yield width_px, 1 if strip_rows in _ONE_STRIP else strip_rows
    yield tags.get(_TILE_WIDTH, 1) * factor, tags.get(_TILE_HEIGHT, 1)


def _tiff_values(content: bytes) -> Iterator[tuple[int, int]]:
    """Give tag and first value of each entry of the first directory that holds numbers."""
    order = 'little' if content.startswith(b'I') else 'big'
    is_big = _number(content, 2, 2, order) == 43
    # Of an offset or a count; BigTIFF doubles them and what hangs on them.
    word = 8 if is_big else 4
    start = _number(content, 8 if is_big else 4, word, order)
    count_bytes = 8 if is_big else 2
    entry_bytes = 4 + 2 * word
    num_entries = _number(content, start, count_bytes, order)
    first = start + count_bytes
    # Offsets may be any number: what is not there has no entries.
    last = min(first + num_entries * entry_bytes, len(content))
    for at in range(first, last, entry_bytes):
        size = _TIFF_TYPES.get(_number(content, at + 2, 2, order))
        if size is None:
            continue
        is_inside = _number(content, at + 4, word, order) * size <= word
        where = at + 4 + word
        value_at = where if is_inside else _number(content, where, word, order)
        yield _number(content, at, 2, order), _number(content, value_at, size, order)


def _number(content: bytes, at: int, size: int, order: str = 'little') -> int:
    return int.from_bytes(content[at : at + size], 'big' if order == 'big' else 'little')


_READERS: tuple[tuple[bytes, Callable[[bytes], Iterator[tuple[int, int]]]], ...] = (
    (JPEG_START, _read_known),
    (PNG_START, _read_known),
    (b'BM', _read_bmp),
    (b'RIFF', _read_webp),
    (b'GIF8', _read_gif),
    (b'P', _read_netpbm),
    *((start, _read_tiff) for start in (b'II*\0', b'MM\0*', b'II+\0', b'MM\0+')),
)
