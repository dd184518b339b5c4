"""Copies of event files that grow elsewhere, for a TensorBoard on this machine."""

from pathlib import Path, PurePosixPath

from ssd_training.errors import RunError
from ssd_training.runs.storage import RemoteFolder

# As TensorFlow names them.
_MARK = '.tfevents.'


class EventCopies:
    """
    Keeps the event files of all runs below an address.

    :param address: such as s3://bucket/prefix; without a protocol, a bucket
    :param folder: where the copies are
    :raises RunError: when the address needs what is not installed
    """

    def __init__(self, address: str, folder: Path) -> None:
        self._remote = RemoteFolder(address if '://' in address else f's3://{address}')
        self._folder = folder

    def update(self) -> list[str]:
        """
        Fetch what is new.

        What grew is appended to: TensorBoard keeps files open, and would not see another file of
        the same name.

        :return: names of files that changed here
        :raises RunError: when the store can not be reached or refuses, or this disk
        """
        found = {
            name: size for name, size in self._remote.list_all().items() if _is_event_file(name)
        }
        return [name for name in sorted(found) if self._fetch(name, found[name])]

    def _fetch(self, name: str, size: int) -> bool:
        path = self._folder / name
        try:
            here = path.stat().st_size if path.exists() else 0
            if here == size:
                return False
            # Smaller: another training wrote it.
            start = here if here < size else 0
            content = self._remote.read(name, start=start, end=size)
            path.parent.mkdir(parents=True, exist_ok=True)
            with path.open('ab' if start else 'wb') as file:
                file.write(content)
        except OSError as error:
            raise RunError([f'{path}: can not be written ({error.strerror})']) from error
        return True


def _is_event_file(name: str) -> bool:
    """In a store any text is a name, also one that leads out of a folder."""
    path = PurePosixPath(name)
    return _MARK in path.name and '..' not in path.parts and not path.is_absolute()
