"""Image files for tests: EXIF data, and what cameras and phones write behind a JPEG."""

from typing import Final

EOI: Final = b'\xff\xd9'
TRAILERS: Final = {
    'none': b'',
    'newline': b'\r\n',
    'zeros': bytes(4096),
    'samsung': b'\0\0\x01\x0a\x0e\0\0\0Image_UTC_Data1458170015363SEFH\x65\0\0\0SEFT',
    'motion_photo': b'\0\0\0\x18ftypmp42\0\0\0\0isommp42\0\0\x02\0mdat' + bytes(range(256)) * 2,
    'second_picture': b'\xff\xd8\xff\xe0\0\x04ab\xff\xd9',
}


def exif_of(orientation: int, *, order: str = 'little', preview: bytes = b'') -> bytes:
    """
    Make EXIF data as a camera writes them.

    :param orientation: 1 to 8
    :param order: of bytes, little or big
    :param preview: a small JPEG within
    :return: Exif, IFD0 with the make and the orientation, and the preview
    """
    name = {'little': b'II*\0', 'big': b'MM\0*'}[order]

    def number(value: int, size: int) -> bytes:
        return value.to_bytes(size, 'little' if order == 'little' else 'big')

    make = number(0x010F, 2) + number(2, 2) + number(4, 4) + b'Cam\0'
    turn = number(0x0112, 2) + number(3, 2) + number(1, 4) + number(orientation, 2) + bytes(2)
    ifd0 = number(2, 2) + make + turn + number(0, 4)
    return b'Exif\0\0' + name + number(8, 4) + ifd0 + preview


def with_exif(jpeg: bytes, exif: bytes) -> bytes:
    """
    Put EXIF data into a JPEG.

    :param jpeg: content of a file
    :param exif: from exif_of
    :return: content of a file
    """
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    return jpeg[:2] + segment + jpeg[2:]
