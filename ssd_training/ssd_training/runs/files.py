"""Files that are whole or not there: written aside, forced to the disk, renamed."""

from collections.abc import Callable
import hashlib
import json
import os
from pathlib import Path
import shutil
from textwrap import shorten
from typing import Any, BinaryIO, TypeVar

from pydantic import TypeAdapter, ValidationError

from ssd_training.errors import RunError

# The history of a training of years is below it.
_JSON_LIMIT_BYTES = 64 * 2**20

Schema = TypeVar('Schema')


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
    :raises RunError: when it can not be read, is no regular file, or is larger than 64 MB
    """
    try:
        if path.exists() and not path.is_file():
            raise RunError([f'{path}: is no regular file; remove it'])
        size_bytes = path.stat().st_size
        if size_bytes > _JSON_LIMIT_BYTES:
            raise RunError(
                [
                    f'{path}: has {size_bytes / 1e6:.0f} MB, at most '
                    f'{_JSON_LIMIT_BYTES / 1e6:.0f} MB are read; no training wrote it: remove it'
                ]
            )
        return json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise RunError([f'{path}: can not be read ({error})']) from error


def read_json_as(path: Path, schema: type[Schema]) -> Schema:
    """
    Read a JSON file whose content has a form.

    :param path: of the file
    :param schema: a type that pydantic checks, strictly
    :return: its content
    :raises RunError: as read_json, and when the content is of another form
    """
    content = read_json(path)
    try:
        return TypeAdapter(schema).validate_python(content, strict=True)
    except ValidationError as error:
        first = error.errors()[0]
        where = '.'.join(map(str, first['loc'])) or 'the whole file'
        raise RunError(
            [
                f'{path}: {where}: {first["msg"]}; received {shorten(repr(first["input"]), 60)}; '
                f'no training wrote this: bring the file back, or remove it'
            ]
        ) from error


def hash_file(path: Path) -> str:
    """
    Hash a file.

    :param path: of the file
    :return: SHA-256, 64 hex digits
    :raises OSError: when it can not be read
    """
    digest = hashlib.sha256()
    with path.open('rb') as file:
        while chunk := file.read(2**20):
            digest.update(chunk)
    return digest.hexdigest()


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
    return f'{free_mb:.0f} MB are free there; make room (a training goes on with --resume)'
