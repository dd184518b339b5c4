"""Files that are whole or not there: written aside, forced to the disk, renamed."""

from collections.abc import Callable
import json
import os
from pathlib import Path
import shutil
from typing import Any, BinaryIO

from ssd_training.errors import RunError


def write_atomically(path: Path, write: Callable[[BinaryIO], object]) -> None:
    """
    Write a file so that a kill at any moment leaves the old one or the new one.

    :param path: of the file
    :param write: is given the open file
    :raises RunError: when it can not be written; what stood there before is as it was
    """
    aside = path.with_name(f'.{path.name}.partial')
    try:
        with aside.open('wb') as file:
            write(file)
            file.flush()
            os.fsync(file.fileno())
        aside.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        aside.unlink(missing_ok=True)
        raise RunError(
            [f'{path}: can not be written ({error.strerror}); {_advice(path)}']
        ) from error


def write_json(path: Path, content: Any) -> None:
    """
    Write JSON as write_atomically does.

    :param path: of the file
    :param content: of plain values; NaN is refused
    :raises RunError: as write_atomically
    """
    text = json.dumps(content, indent=2, allow_nan=False) + '\n'
    write_atomically(path, lambda file: file.write(text.encode()))


def read_json(path: Path) -> Any:
    """
    Read a JSON file.

    :param path: of the file
    :return: its content
    :raises RunError: when it can not be read
    """
    try:
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise RunError([f'{path}: can not be read ({error})']) from error


def sync_folder(folder: Path) -> None:
    """
    Force names that were made or changed in a folder to the disk.

    :param folder: its path
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _advice(path: Path) -> str:
    try:
        free_mb = shutil.disk_usage(path.parent).free / 1e6
    except OSError:
        return 'is the folder there?'
    return f'{free_mb:.0f} MB are free there; make room, then go on with --resume'
