"""Folders of files: on this machine, or where fsspec reaches, such as s3://bucket/prefix."""

from pathlib import Path
from typing import Any, Protocol

from ssd_training.errors import CheckpointError, RunError

# A store that does not answer must not hold up a process that is to end.
_S3_CONFIG = {'connect_timeout': 5, 'read_timeout': 10, 'retries': {'max_attempts': 1}}


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
        protocol = address.partition('://')[0]
        options: dict[str, Any] = {'config_kwargs': _S3_CONFIG} if protocol == 's3' else {}
        try:
            # An extra of its own: only who trains from or to elsewhere needs it.
            import fsspec

            self._filesystem = fsspec.filesystem(protocol, **options)
        except (ImportError, ValueError) as error:
            raise RunError(
                [f'{address}: needs fsspec and s3fs ({error}); pip install "ssd_training[s3]"']
            ) from error
        self.name = address.rstrip('/')
        self._errors = _errors_of_stores()

    def list_names(self) -> list[str]:
        """
        List its files as they are now.

        :return: names; empty when there is no such folder
        :raises RunError: when the store can not be reached or refuses
        """
        try:
            found = self._filesystem.ls(self.name, detail=False, refresh=True)
        except FileNotFoundError:
            return []
        except self._errors as error:
            raise RunError([f'{self.name}: can not be listed ({error})']) from error
        return [path.rstrip('/').rpartition('/')[2] for path in found]

    def fetch(self, name: str, scratch: Path) -> Path:
        """
        Download a file.

        :param name: of the file
        :param scratch: where it goes
        :return: its path there
        :raises CheckpointError: when it can not be had
        """
        path = scratch / Path(name).name
        try:
            self._filesystem.get_file(f'{self.name}/{name}', str(path))
        except self._errors as error:
            raise CheckpointError(
                [f'{self.name}/{name}: can not be downloaded ({error})']
            ) from error
        return path

    def list_all(self) -> dict[str, int]:
        """
        List the files at any depth as they are now.

        :return: sizes in bytes, by name; empty when there is no such folder
        :raises RunError: when the store can not be reached or refuses
        """
        try:
            self._filesystem.invalidate_cache()
            found = self._filesystem.find(self.name, detail=True)
        except self._errors as error:
            raise RunError([f'{self.name}: can not be listed ({error})']) from error
        start = len(self._filesystem._strip_protocol(self.name)) + 1
        return {path[start:]: int(about['size']) for path, about in found.items()}

    def read(self, name: str, *, start: int, end: int) -> bytes:
        """
        Read a part of a file.

        :param name: of the file
        :param start: first byte
        :param end: behind the last byte
        :return: the bytes
        :raises RunError: when the store can not be reached or refuses
        """
        try:
            return bytes(self._filesystem.cat_file(f'{self.name}/{name}', start=start, end=end))
        except self._errors as error:
            raise RunError([f'{self.name}/{name}: can not be read ({error})']) from error

    def send(self, path: Path, name: str) -> None:
        """
        Upload a file.

        :param path: of the file
        :param name: that it gets here
        :raises RunError: when the store can not be reached or refuses
        """
        try:
            self._filesystem.put_file(str(path), f'{self.name}/{name}')
        except self._errors as error:
            raise RunError([f'{self.name}/{name}: can not be uploaded ({error})']) from error

    def delete(self, name: str) -> None:
        """
        Delete a file.

        :param name: of the file
        :raises RunError: when the store can not be reached or refuses
        """
        try:
            self._filesystem.rm_file(f'{self.name}/{name}')
        except self._errors as error:
            raise RunError([f'{self.name}/{name}: can not be deleted ({error})']) from error


def open_folder(location: str) -> Folder:
    """
    Open a folder, wherever it is.

    :param location: a path, or an address such as s3://bucket/prefix
    :return: the folder, which need not be there
    :raises RunError: when the address needs what is not installed
    """
    return RemoteFolder(location) if '://' in location else LocalFolder(Path(location))


def _errors_of_stores() -> tuple[type[Exception], ...]:
    """s3fs passes on what botocore raises where no server answers: that is no OSError."""
    try:
        from botocore.exceptions import BotoCoreError
    except ImportError:
        return (OSError,)
    return (OSError, BotoCoreError)
