"""What the bytes of image files say without being decoded: whole or cut, size, orientation."""

from collections.abc import Iterator

JPEG_START = b'\xff\xd8'
PNG_START = b'\x89PNG\r\n\x1a\n'
_EXIF_START = b'Exif\0\0'
_ORIENTATION_TAG = 0x0112

_JPEG_END = b'\xff\xd9'
_SCAN = 0xDA
# SOF0 to SOF15, without DHT, JPG and DAC.
_FRAMES = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}
_HEIC = (b'heic', b'heix', b'heim', b'heis', b'hevc', b'hevx', b'mif1', b'msf1')
_KINDS = {
    b'GIF8': 'it is GIF, whatever its name: make it PNG',
    b'#?R': 'it is Radiance HDR, whose samples are floats: make it PNG',
    b'version https://git-lfs': 'it is a pointer of Git LFS: git lfs pull',
    b'<': 'it is a page of the web, or SVG: get it again',
}
# Markers without a length: stuffing, TEM, RST0 to RST7, SOI, EOI.
_ALONE = {0x00, 0x01, *range(0xD0, 0xDA)}


def find_jpeg_fault(content: bytes) -> str | None:
    """
    Tell why a JPEG is not whole; libjpeg fills what is missing with grey and says nothing.

    It is whole when an end marker follows its pixels. That of a preview in its head is not its
    own, and what phones and cameras write behind the end does no harm.

    :param content: of a file
    :return: in words; None for a whole one, and for what is no JPEG
    """
    if not content.startswith(JPEG_START):
        return None
    for marker, _, last in _head_segments(content):
        if marker == _SCAN:
            # Among pixels 0xFF is followed by 0x00 or a restart, so that a search is enough.
            end = content.find(_JPEG_END, last)
            if end >= 0 and content.find(JPEG_START + b'\xff', last, end) < 0:
                return None
    return 'ends too early'


def name_kind(content: bytes) -> str | None:
    """
    Tell what lies in an image's place.

    :param content: of a file that can't be decoded
    :return: what it is and what to do; None when unknown
    """
    if content[4:8] == b'ftyp':
        brand = content[8:12]
        kind = 'AVIF' if brand in (b'avif', b'avis') else 'HEIC' if brand in _HEIC else 'a video'
        return f'it is {kind}, whatever its name: make it JPEG'
    return next((text for start, text in _KINDS.items() if content.startswith(start)), None)


def read_claimed_size_wh(content: bytes) -> tuple[int, int] | None:
    """
    Read the size from the head of a PNG or JPEG, as it is stored.

    :param content: of a file, or its beginning
    :return: px; None for others
    """
    if content.startswith(PNG_START) and len(content) >= 24:
        return int.from_bytes(content[16:20], 'big'), int.from_bytes(content[20:24], 'big')
    if content.startswith(JPEG_START):
        for marker, first, _ in _head_segments(content):
            if marker in _FRAMES and first + 5 <= len(content):
                height_px, width_px = (
                    content[first + 1 : first + 3],
                    content[first + 3 : first + 5],
                )
                return int.from_bytes(width_px, 'big'), int.from_bytes(height_px, 'big')
    return None


def read_orientation(content: bytes) -> int:
    """
    Read how the camera was held, from the EXIF data of a JPEG, PNG or WebP.

    TIFF files have none here: OpenCV turns them in any case.

    :param content: of a file; the beginning is enough for a JPEG
    :return: 1 (upright) to 8, EXIF 2.3, table 6; 1 where nothing valid is said
    """
    for block in _exif_blocks(content):
        orientation = _find_orientation(block.removeprefix(_EXIF_START))
        return orientation if orientation in range(1, 9) else 1
    return 1


def _head_segments(content: bytes) -> Iterator[tuple[int, int, int]]:
    """
    Give the segments of a JPEG up to its first pixels: marker, where its content begins and ends.

    ITU T.81, B.1.1. What lies between segments is skipped, as libjpeg does it.
    """
    at, marker = len(JPEG_START), 0
    while marker != _SCAN and (at := content.find(b'\xff', at)) >= 0 and at + 4 <= len(content):
        marker = content[at + 1]
        if marker == 0xFF:  # A fill byte.
            at += 1
        elif marker in _ALONE:
            at += 2
        else:
            last = at + 2 + int.from_bytes(content[at + 2 : at + 4], 'big')
            yield marker, at + 4, last
            at = last


def _exif_blocks(content: bytes) -> Iterator[bytes]:
    if content.startswith(JPEG_START):
        for marker, first, last in _head_segments(content):
            if marker == 0xE1 and content.startswith(_EXIF_START, first):
                yield content[first:last]
    elif content.startswith(PNG_START):
        yield from _chunks(content, len(PNG_START), b'eXIf', is_png=True)
    elif content.startswith(b'RIFF') and content[8:12] == b'WEBP':
        yield from _chunks(content, 12, b'EXIF', is_png=False)


def _chunks(content: bytes, at: int, wanted: bytes, *, is_png: bool) -> Iterator[bytes]:
    """Give the chunks of one name: PNG has the size first and a checksum, RIFF pads to words."""
    while at + 8 <= len(content):
        first, second = content[at : at + 4], content[at + 4 : at + 8]
        name = second if is_png else first
        size = int.from_bytes(first, 'big') if is_png else int.from_bytes(second, 'little')
        if name == wanted:
            yield content[at + 8 : at + 8 + size]
        at += 8 + size + (4 if is_png else size % 2)


def _find_orientation(tiff: bytes) -> int:
    order = {b'II': 'little', b'MM': 'big'}.get(tiff[:2])
    if order is None:
        return 1

    def number(at: int, size: int) -> int:
        return int.from_bytes(tiff[at : at + size], 'little' if order == 'little' else 'big')

    directory = number(4, 4)
    for entry in range(directory + 2, directory + 2 + 12 * number(directory, 2), 12):
        if number(entry, 2) == _ORIENTATION_TAG:
            return number(entry + 8, 2)
        if entry > len(tiff):
            break
    return 1
