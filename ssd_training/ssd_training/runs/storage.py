"""Folders of files: on this machine, or where fsspec reaches, such as s3://bucket/prefix."""

from pathlib import Path
from typing import Protocol

from ssd_training.errors import CheckpointError
from ssd_training.runs.remote.patience import Patience
from ssd_training.runs.remote.store import SLOWEST_BYTES_PER_S, Store

# Whoever starts a training waits for it.
ANSWER_S = 30.0


class Folder(Protocol):
    """A folder to read from."""

    @property
    def name(self) -> str:
        """Give its path or address."""

    def list_names(self) -> list[str]:
        """
        List its files.

        :return: names; empty when there is no such folder
        """

    def fetch(self, name: str, scratch: Path) -> Path:
        """
        Bring a file to this machine.

        :param name: of the file, may lead through folders below this one
        :param scratch: an empty folder for it
        :return: where the file is
        :raises CheckpointError: when it can not be had
        """


class LocalFolder:
    """
    A folder of this machine.

    :param path: its path
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    @property
    def name(self) -> str:
        """Give its path."""
        return str(self._path)

    def list_names(self) -> list[str]:
        """
        List its files.

        :return: names; empty when there is no such folder
        """
        return [path.name for path in self._path.iterdir()] if self._path.is_dir() else []

    def fetch(self, name: str, scratch: Path) -> Path:
        """
        Tell where a file is.

        :param name: of the file
        :param scratch: not used
        :return: its path
        :raises CheckpointError: when it is not there
        """
        path = self._path / name
        if not path.is_file():
            raise CheckpointError([f'{path}: not there'])
        return path


class RemoteFolder:
    """
    A folder that fsspec reaches.

    :param address: with its protocol
    :raises RunError: when fsspec, or what it needs for this protocol, is not installed
    """

    def __init__(self, address: str) -> None:
        self._store = Store(address)

    @property
    def name(self) -> str:
        """Give its address."""
        return self._store.address

    def list_names(self) -> list[str]:
        """
        List its files as they are now.

        :return: names; empty when there is no such folder
        :raises StoreError: when the store can not be reached or refuses
        """
        return self._store.list_names('', Patience(ANSWER_S))

    def fetch(self, name: str, scratch: Path) -> Path:
        """
        Download a file.

        :param name: of the file
        :param scratch: where it goes
        :return: its path there
        :raises CheckpointError: when it is not there
        :raises StoreError: when the store can not be reached or refuses
        """
        path = scratch / Path(name).name
        parent = name.rpartition('/')[0]
        size_bytes = self._store.list_sizes(parent, Patience(ANSWER_S)).get(name)
        if size_bytes is None:
            raise CheckpointError([f'{self.name}/{name}: not there'])
        patience = Patience(ANSWER_S + size_bytes / SLOWEST_BYTES_PER_S)
        self._store.get(name, path, patience, size_bytes=size_bytes)
        return path

    def list_all(self) -> dict[str, int]:
        """
        List the files at any depth as they are now.

        :return: sizes in bytes, by name; empty when there is no such folder
        :raises StoreError: when the store can not be reached or refuses
        """
        return self._store.list_sizes('', Patience(ANSWER_S))

    def read(self, name: str, *, start: int, end: int) -> bytes:
        """
        Read a part of a file.

        :param name: of the file
        :param start: first byte
        :param end: behind the last byte
        :return: the bytes
        :raises StoreError: when the store can not be reached or refuses
        """
        patience = Patience(ANSWER_S + (end - start) / SLOWEST_BYTES_PER_S)
        return self._store.read(name, patience, start=start, end=end)


def open_folder(location: str) -> Folder:
    """
    Open a folder, wherever it is.

    :param location: a path, or an address such as s3://bucket/prefix
    :return: the folder, which need not be there
    :raises RunError: when the address needs what is not installed
    """
    return RemoteFolder(location) if '://' in location else LocalFolder(Path(location))
