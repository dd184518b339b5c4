"""A copy of the run folder elsewhere: `run.upload_to`."""

from collections.abc import Iterator
from contextlib import contextmanager
import logging
from pathlib import Path
import threading

from ssd_training.errors import RunError
from ssd_training.runs.checkpoints import list_steps
from ssd_training.runs.folder import CHECKPOINTS, STATUS
from ssd_training.runs.storage import RemoteFolder

# Of the thirty that a cloud gives a machine after SIGTERM; saving and status.json come before.
_PATIENCE_S = 20.0

logger = logging.getLogger(__name__)


class Upload:
    """
    Sends a run folder's files to a store, where --run_from finds them.

    :param run: the folder
    :param target: its parent elsewhere, such as s3://bucket/prefix; without a protocol, a bucket
    :raises RunError: when the target needs what is not installed
    """

    def __init__(self, run: Path, target: str) -> None:
        address = target if '://' in target else f's3://{target}'
        self._run = run
        self._address = f'{address.rstrip("/")}/{run.name}'
        self._folder = RemoteFolder(self._address)

    def send_start(self) -> None:
        """
        Send what is known at the start, so that a wrong target shows before the training.

        :raises RunError: when the store can not be reached or refuses
        """
        for path in sorted(self._run.glob('*.json')):
            self._folder.send(path, path.name)

    @contextmanager
    def at_the_end(self) -> Iterator[None]:
        """
        Send everything when the block ends, however it ends.

        :return: nothing
        :raises RunError: when that fails after a block that did not
        """
        try:
            yield
        except BaseException:
            self._send_in_time()
            raise
        try:
            self._send_all()
        except RunError as error:
            advice = f'the run is complete: {self._run}; copy it yourself'
            raise RunError([*error.findings, advice]) from error

    def _send_in_time(self) -> None:
        """Send in a thread that is left behind when it takes too long: the process is to end."""
        thread = threading.Thread(target=self._try_to_send, daemon=True)
        thread.start()
        thread.join(_PATIENCE_S)
        if thread.is_alive():
            logger.error('%s: not complete after %.0f s', self._address, _PATIENCE_S)

    def _try_to_send(self) -> None:
        try:
            self._send_all()
        except RunError as error:
            logger.error('%s', error)

    def _send_all(self) -> None:
        """Send the newest checkpoint first, what says how the run ended last."""
        files = [path for path in self._run.rglob('*') if path.is_file() and path.name[0] != '.']
        for path in sorted(files, key=self._urgency):
            self._folder.send(path, str(path.relative_to(self._run)))
        for folder in ('last', 'best'):
            self._delete_old(f'{CHECKPOINTS}/{folder}')
        logger.info('%s: %d files uploaded', self._address, len(files))

    def _urgency(self, path: Path) -> tuple[bool, bool, int]:
        steps = list_steps([path.name])
        return path == self._run / STATUS, not steps, -steps[0] if steps else 0

    def _delete_old(self, name: str) -> None:
        """Keep the checkpoints that the run folder keeps."""
        remote = RemoteFolder(f'{self._address}/{name}')
        kept = {path.name for path in (self._run / name).glob('*')}
        for checkpoint in remote.list_names():
            if list_steps([checkpoint]) and checkpoint not in kept:
                remote.delete(checkpoint)
