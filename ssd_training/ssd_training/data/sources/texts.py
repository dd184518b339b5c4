"""Text files of other programs: bytes to characters, in whatever encoding they were written."""

import codecs
from collections.abc import Callable
from pathlib import Path

from ssd_detector.files import MAX_LABELS_BYTES
from ssd_training.data.files import read_data_file
from ssd_training.errors import DataError

# UTF-32 first: its mark starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF32_LE, 'utf-32'),
    (codecs.BOM_UTF32_BE, 'utf-32'),
    (codecs.BOM_UTF16_LE, 'utf-16'),
    (codecs.BOM_UTF16_BE, 'utf-16'),
    (codecs.BOM_UTF8, 'utf-8-sig'),
)


def decode_text(
    content: bytes, name: str, *, declared: Callable[[bytes], str | None] = lambda _: None
) -> str:
    """
    Decode a text file: by its byte order mark, by what it declares, as UTF-8.

    :param content: of the file
    :param name: of the file, for the message
    :param declared: content -> encoding that the file claims; wrong ones are common
    :return: its characters
    :raises DataError: when it is none of them
    """
    claimed = declared(content)
    for encoding in filter(None, (_seen_encoding(content), claimed, 'utf-8')):
        try:
            return content.decode(encoding)
        except (UnicodeError, LookupError):
            continue
    first = next(at for at in range(len(content)) if content[at] > 0x7F)
    line = content.count(b'\n', 0, first) + 1
    known = f'neither {claimed} nor UTF-8' if claimed else 'not UTF-8'
    raise DataError(
        [f'{name}: line {line} is {known} (byte 0x{content[first]:02x}); save the file as UTF-8']
    )


def read_text(path: Path, *, limit_bytes: int = MAX_LABELS_BYTES) -> str:
    """
    Read a text file.

    :param path: of the file
    :param limit_bytes: that it may have
    :return: its characters
    :raises DataError: when it can't be read, or is in no known encoding
    """
    return decode_text(read_data_file(path, limit_bytes=limit_bytes), str(path))


def _seen_encoding(content: bytes) -> str | None:
    """Tell the encoding by a mark, or by the zeros of UTF-16 without one."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    if len(content) > 1 and 0 in content[:2]:
        return 'utf-16-be' if content[0] == 0 else 'utf-16-le'
    return None
