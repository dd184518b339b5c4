"""Which text files of a YOLO folder hold labels, and which name pictures or classes."""

from pathlib import Path

from ssd_detector.files import MAX_LABELS_BYTES
from ssd_training.data.files import read_start
from ssd_training.data.sources.texts import decode_text
from ssd_training.errors import DataError

NAME_FILES = ('classes.txt', 'obj.names', 'labels.txt')
# Text files that tools write beside the labels; a picture may be called so, too.
_LISTS = {
    *NAME_FILES,
    'train.txt',
    'valid.txt',
    'val.txt',
    'test.txt',
    'predefined_classes.txt',
}
# Class number, x, y, width, height.
BOX_COLUMNS = 5
# A line of five columns is shorter.
_SHOWN_BYTES = 4096


def is_list(path: Path) -> bool:
    """
    Tell whether a text file is a list of pictures or classes.

    :param path: of the file
    :return: whether it is called like one and holds no labels
    """
    return path.name.lower() in _LISTS and not looks_like_labels(path)


def looks_like_labels(path: Path) -> bool:
    """
    Tell whether a file begins as labels do.

    :param path: of the file
    :return: whether its first line begins with five numbers, with points or commas
    """
    columns = read_line(path).split()[:BOX_COLUMNS]
    return len(columns) == BOX_COLUMNS and all(map(_is_number, columns))


def read_line(path: Path) -> str:
    """
    Read what a text file begins with.

    :param path: of the file
    :return: the first line that is not blank, or its beginning; empty where there is no text
    """
    try:
        start = read_start(path, _SHOWN_BYTES, limit_bytes=MAX_LABELS_BYTES)
        return decode_text(start, str(path)).lstrip().partition('\n')[0].rstrip()
    except DataError:
        return ''


def _is_number(text: str) -> bool:
    try:
        return float(text.replace(',', '.')) >= 0
    except ValueError:
        return False
