"""Files of data sets, whoever made them: kind and size are known before a byte is read."""

from collections.abc import Callable, Sequence
import json
import os
from pathlib import Path
from typing import Any

from ssd_detector.files import FileError, MAX_SPLIT_BYTES, open_file, read_file
from ssd_detector.printable import printable
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import FilesOutside

# More is no side of a picture, and beyond numbers of many digits lie errors of all libraries.
MAX_SIDE_PX = 1_000_000


def read_data_file(
    path: Path, *, limit_bytes: int, homes: Sequence[Path] = (), advice: str = ''
) -> bytes:
    """
    Read a file of limited size; pipes and devices are not waited for.

    :param path: a link is followed
    :param limit_bytes: that it may have
    :param homes: folders, real paths, below one of which the file has to lie; empty for anywhere
    :param advice: what to do when it can't be read
    :return: its content
    :raises DataError: when it is no regular file, larger, elsewhere, or can't be read
    """
    return _in_words(
        path, lambda: read_file(path, limit_bytes=limit_bytes, homes=homes), advice=advice
    )


def read_start(path: Path, num_bytes: int, *, limit_bytes: int) -> bytes:
    """
    Read the beginning of a file.

    :param path: a link is followed
    :param num_bytes: to read at most
    :param limit_bytes: that the file may have
    :return: its first bytes
    :raises DataError: as read_data_file
    """

    def read() -> bytes:
        with open_file(path, limit_bytes=limit_bytes) as file:
            return file.read(num_bytes)

    return _in_words(path, read)


def find_homes(folders: Sequence[Path], outside: FilesOutside) -> tuple[Path, ...]:
    """
    Tell where the files of a data set may lie.

    :param folders: that whoever starts the command named
    :param outside: what is done about other files
    :return: real paths of the folders; none where files may lie anywhere
    """
    if outside == 'allow':
        return ()
    return tuple(dict.fromkeys(Path(os.path.realpath(folder)) for folder in folders))


def is_inside(real_path: str, homes: Sequence[Path]) -> bool:
    """
    Tell whether a file lies where it may.

    :param real_path: of the file, without links
    :param homes: from find_homes
    :return: whether it does
    """
    return not homes or any(Path(real_path).is_relative_to(home) for home in homes)


def read_json(path: Path, *, limit_bytes: int = MAX_SPLIT_BYTES, advice: str = '') -> Any:
    """
    Read a JSON file.

    :param path: of the file
    :param limit_bytes: that it may have
    :param advice: what to do when it can't be read
    :return: the tree
    :raises DataError: when it can't be read, is no JSON, or is too deep
    """
    content = read_data_file(path, limit_bytes=limit_bytes, advice=advice)
    try:
        return json.loads(content)
    except RecursionError as error:
        raise DataError([f'{path}: can not be read as JSON: it has too many levels']) from error
    except MemoryError as error:
        text = f'takes more memory than there is ({len(content)} bytes); split it'
        raise DataError([f'{path}: {text}']) from error
    except ValueError as error:
        raise DataError([f'{path}: no valid JSON ({error})']) from error


def without_place(error: DataError, place: str) -> str:
    """
    Take the name of a file off the sentence that begins with it.

    :param error: says where, and what
    :param place: where, as it was given
    :return: what
    """
    return str(error).removeprefix(printable(f'{place}: '))


def _in_words(path: Path, read: Callable[[], bytes], *, advice: str = '') -> bytes:
    try:
        return read()
    except FileError as error:
        raise DataError([str(error)]) from error
    except OSError as error:
        behind = f'; {advice}' if advice else ''
        raise DataError([f'{path}: can not be read ({error.strerror}){behind}']) from error
