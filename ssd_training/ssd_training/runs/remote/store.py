"""An address that fsspec reaches: requests with one deadline for all attempts at them."""

import asyncio
from concurrent.futures import Future
import logging
from pathlib import Path
import random
from typing import Any

from ssd_training.errors import NotStoredError, RunError, StoreError
from ssd_training.runs.remote.patience import CalledOff, Patience, run_aside
from ssd_training.runs.remote.store_errors import explain, is_bucket_missing, is_final

# Store tries again itself, and knows when to end.
_S3_OPTIONS = {
    'config_kwargs': {
        'connect_timeout': 5,
        'read_timeout': 10,
        'retries': {'total_max_attempts': 1},
    },
    # What another machine has written meanwhile must be seen.
    'use_listings_cache': False,
}
_OPTIONS: dict[str, dict[str, Any]] = {'s3': _S3_OPTIONS, 'file': {'auto_mkdir': True}}
_ATTEMPT_S = 15.0
# A transfer that is slower than this stands still.
SLOWEST_BYTES_PER_S = 500_000
_FIRST_PAUSE_S = 0.25
_LONGEST_PAUSE_S = 8.0

logger = logging.getLogger(__name__)


class Store:
    """
    A folder elsewhere.

    Every method takes names relative to it, tries again until the patience ends, and raises
    StoreError then, or at once where trying again is of no use; CalledOff when it is called off.

    :param address: with its protocol
    :raises RunError: when fsspec, or what it needs for this protocol, is not installed
    """

    def __init__(self, address: str) -> None:
        self.address = address.rstrip('/')
        protocol = address.partition('://')[0]
        try:
            # An extra of its own: only who trains from or to elsewhere needs it.
            import fsspec

            self._filesystem = fsspec.filesystem(protocol, **_OPTIONS.get(protocol, {}))
        except (ImportError, ValueError) as error:
            raise RunError(
                [f'{address}: needs fsspec and s3fs ({error}); pip install "ssd_training[s3]"']
            ) from error
        if protocol == 's3':
            # Of the parts of a large file one whose connection broke is tried again alone.
            self._filesystem.retries = 3

    def list_names(self, folder: str, patience: Patience) -> list[str]:
        """
        List what lies in a folder.

        :param folder: its name
        :param patience: for all attempts
        :return: names of files and folders; empty when there is no such folder
        """
        try:
            found = self._try('listed', folder, 'ls', (self._at(folder), False), patience)
        except NotStoredError as error:
            if is_bucket_missing(error.__cause__):
                raise
            return []
        return [path.rstrip('/').rpartition('/')[2] for path in found]

    def list_sizes(self, folder: str, patience: Patience) -> dict[str, int]:
        """
        List the files below a folder, at any depth.

        :param folder: its name
        :param patience: for all attempts
        :return: name -> size in bytes
        """
        arguments = (self._at(folder), None, False)
        found = self._try('listed', folder, 'find', arguments, patience, detail=True)
        start = len(self._filesystem._strip_protocol(self.address)) + 1
        return {path[start:]: int(entry['size']) for path, entry in found.items()}

    def get(self, name: str, path: Path, patience: Patience, *, size_bytes: int = 0) -> None:
        """
        Download a file.

        :param name: of the file
        :param path: where it goes
        :param patience: for all attempts
        :param size_bytes: expected, which gives an attempt its time
        """
        arguments = (self._at(name), str(path))
        self._try('downloaded', name, 'get_file', arguments, patience, size_bytes=size_bytes)

    def read(self, name: str, patience: Patience, *, start: int, end: int) -> bytes:
        """
        Read a part of a file.

        :param name: of the file
        :param patience: for all attempts
        :param start: first byte
        :param end: behind the last byte
        :return: the bytes
        """
        found = self._try(
            'read',
            name,
            'cat_file',
            (self._at(name),),
            patience,
            size_bytes=end - start,
            # By name: s3fs has the version of the object in between.
            start=start,
            end=end,
        )
        return bytes(found)

    def put(self, path: Path, name: str, patience: Patience) -> None:
        """
        Upload a file.

        :param path: of the file
        :param name: that it gets here
        :param patience: for all attempts
        """
        size_bytes = path.stat().st_size
        arguments = (str(path), self._at(name))
        self._try('uploaded', name, 'put_file', arguments, patience, size_bytes=size_bytes)

    def delete(self, name: str, patience: Patience) -> None:
        """
        Delete a file; one that is not there is none to delete.

        :param name: of the file
        :param patience: for all attempts
        """
        try:
            self._try('deleted', name, 'rm_file', (self._at(name),), patience)
        except NotStoredError:
            pass

    def _at(self, name: str) -> str:
        return f'{self.address}/{name}'.rstrip('/')

    def _try(
        self,
        done: str,
        name: str,
        operation: str,
        arguments: tuple[Any, ...],
        patience: Patience,
        *,
        size_bytes: int = 0,
        **options: Any,
    ) -> Any:
        attempt_s = _ATTEMPT_S + size_bytes / SLOWEST_BYTES_PER_S
        pause_s = _FIRST_PAUSE_S
        before: Exception | None = None
        while True:
            try:
                future = self._start(operation, arguments, options)
                return patience.result_of(future, attempt_s)
            except CalledOff:
                raise
            # fsspec's file systems pass on whatever lies below them: botocore, aiohttp, XML.
            except Exception as error:
                is_over = not patience.remaining_s
                # The deadline comes in the middle of an attempt; what failed before says more.
                said = before if is_over and before is not None else error
                finding = f'{self._at(name)}: can not be {done} ({explain(said)})'
                if isinstance(error, FileNotFoundError):
                    raise NotStoredError([finding]) from error
                if is_final(error):
                    raise StoreError([finding]) from error
                if is_over:
                    raise StoreError(
                        [f'{finding}; given up after {patience.seconds:.0f} s']
                    ) from error
                before = error
                logger.debug('%s; trying again', finding)
            # Not all workers at once.
            patience.pause(pause_s * random.uniform(0.5, 1))
            pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)

    def _start(
        self, operation: str, arguments: tuple[Any, ...], options: dict[str, Any]
    ) -> 'Future[Any]':
        filesystem = self._filesystem
        if filesystem.async_impl:
            # To cancel it closes the connection; a blocked thread could only be left behind.
            method = getattr(filesystem, f'_{operation}')
            return asyncio.run_coroutine_threadsafe(method(*arguments, **options), filesystem.loop)
        return run_aside(lambda: getattr(filesystem, operation)(*arguments, **options))
