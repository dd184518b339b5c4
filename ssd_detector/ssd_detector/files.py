"""Opens files of strangers: regular ones only, whose size is known before a byte is read."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import stat
from typing import BinaryIO

from ssd_detector.errors import SsdDetectorError

# What files of data sets may have. Labels of one picture, names of classes: the largest known have
# a tenth of a MiB. XML of nothing but levels takes forty times its size.
MAX_LABELS_BYTES = 4 * 2**20
# Ids or names of a split, one a line: some millions.
MAX_LIST_BYTES = 64 * 2**20
# Labels of all pictures of a split in one file: LVIS' have 1.1 GiB.
MAX_SPLIT_BYTES = 2 * 2**30
_BLOCK_BYTES = 2**20
_KINDS = (
    (stat.S_ISDIR, 'a folder'),
    (stat.S_ISFIFO, 'a pipe'),
    (stat.S_ISSOCK, 'a socket'),
    (stat.S_ISCHR, 'a device'),
    (stat.S_ISBLK, 'a device'),
)


class FileError(SsdDetectorError):
    """A file that is not read: of another kind, too large, or elsewhere."""


def read_file(path: Path, *, limit_bytes: int, homes: Sequence[Path] = ()) -> bytes:
    """
    Read a file of limited size; never waits for one that is no file.

    :param path: a link is followed
    :param limit_bytes: that it may have
    :param homes: folders, real paths, below one of which the file has to lie; empty for anywhere
    :return: its content
    :raises FileError: when it is no regular file, larger, or elsewhere
    :raises OSError: when it is not there or not to be read
    """
    content = bytearray()
    with open_file(path, limit_bytes=limit_bytes, homes=homes) as file:
        # In blocks: room is made for as many bytes as are asked for.
        while block := file.read(_BLOCK_BYTES):
            content += block
            if len(content) > limit_bytes:
                raise FileError(f'{path}: grew to more than {limit_bytes} bytes while it was read')
    return bytes(content)


def is_folder(path: Path) -> bool:
    """
    Tell whether there is a folder; from Python 3.14 on Path.is_dir takes a refusal for no.

    :param path: a link is followed
    :return: false where nothing is, or something else
    :raises OSError: when that may not be known
    """
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    # A path with a zero byte is a ValueError, and none of the system's.
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return False


def cache_folder(*parts: str) -> Path | None:
    """
    Name a folder for what can be had again: engines, what was measured.

    :param parts: of its name
    :return: below XDG_CACHE_HOME, or ~/.cache; None for a user without a home
    """
    try:
        root = os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache'
    except RuntimeError:
        return None
    return Path(root, 'ssd_detector', *parts)


@contextmanager
def open_file(path: Path, *, limit_bytes: int, homes: Sequence[Path] = ()) -> Iterator[BinaryIO]:
    """
    Open a file of limited size; what was opened is what is judged, whatever the path is by then.

    :param path: a link is followed
    :param limit_bytes: that it may have
    :param homes: as of read_file
    :return: the file, unbuffered; it may grow while it is read
    :raises FileError: when it is no regular file, larger, or elsewhere
    :raises OSError: when it is not there or not to be read
    """
    try:
        # To open a device may do something, such as start a watchdog.
        _check(path, os.stat(path), limit_bytes)
        # A pipe that took its place by now opens at once, too.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    except ValueError as error:  # A NUL in the name.
        raise FileError(f'{path}: no file can have this name ({error})') from error
    with open(descriptor, 'rb', buffering=0) as file:
        _check(path, os.fstat(descriptor), limit_bytes)
        if homes:
            _check_home(path, descriptor, homes)
        yield file


def _check(path: Path, status: os.stat_result, limit_bytes: int) -> None:
    if not stat.S_ISREG(status.st_mode):
        kind = next((name for is_kind, name in _KINDS if is_kind(status.st_mode)), 'no file')
        raise FileError(f'{path}: is {kind}; expected a regular file')
    if status.st_size > limit_bytes:
        raise FileError(f'{path}: has {status.st_size} bytes; expected at most {limit_bytes}')


def _check_home(path: Path, descriptor: int, homes: Sequence[Path]) -> None:
    by_descriptor = f'/proc/self/fd/{descriptor}'
    # Where there is no /proc, the path is asked once more.
    real = Path(os.path.realpath(by_descriptor if os.path.exists(by_descriptor) else path))
    if not any(real.is_relative_to(home) for home in homes):
        raise FileError(
            f'{path}: is a link that leads out of {path.parent}; expected a file in it; copy the '
            f'files, not the links'
        )
