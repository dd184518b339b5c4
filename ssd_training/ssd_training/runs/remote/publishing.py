"""One upload: files first, a manifest behind them, then what nobody needs any more goes."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timezone
import logging
from pathlib import Path
import tempfile

from ssd_training.errors import RunError, StoreError, UploadError
from ssd_training.runs.files import hash_file
from ssd_training.runs.remote.manifest import (
    Manifest,
    MANIFESTS,
    OBJECTS,
    read_manifest,
    sort_names,
    StoredFile,
)
from ssd_training.runs.remote.patience import CalledOff, Patience
from ssd_training.runs.remote.snapshot import Piece, Snapshot
from ssd_training.runs.remote.store import Store

_SHOWN = 3
_PAUSE_S = 0.5
_MANIFEST = '.manifest'

logger = logging.getLogger(__name__)

Files = Mapping[str, tuple[Piece, StoredFile]]


class Publisher:
    """
    Sends snapshots of one run folder to one store; not from two threads at once.

    :param store: of the run
    :param keep: uploads that stay there, the newest ones
    :param may_write: raises an error of ours when this machine's claim is lost
    :param fencing_token: of the claim
    """

    def __init__(
        self,
        store: Store,
        *,
        keep: int,
        may_write: Callable[[], None] | None = None,
        fencing_token: int | None = None,
    ) -> None:
        self._store = store
        self._keep = keep
        self._may_write = may_write
        self._token = fencing_token
        self._next_sequence: int | None = None
        # By name; and the hash of what is shown under which name.
        self._manifests: dict[str, Manifest] = {}
        self._shown: dict[str, str] = {}

    def publish(self, snapshot: Snapshot, patience: Patience) -> None:
        """
        Send what is not there yet; without a checkpoint, only what is shown.

        :param snapshot: of the run folder
        :param patience: for all of it
        :raises UploadError: when something is missing there at the end, which it names
        :raises SsdDetectorError: what may_write raises
        """
        self._ask()
        with _in_words(self._store.address, snapshot):
            described = [(piece, _describe(piece)) for piece in snapshot.kept]
            sent: list[StoredFile] = []
            manifest = None
            if snapshot.step is not None:
                sent = self._send_kept(
                    {file.object_name: (piece, file) for piece, file in described}, patience
                )
                manifest = self._prepare_manifest(
                    snapshot.step, snapshot.epoch, [file for _, file in described], patience
                )
            # The last one says how the run ended: all else is there when it does.
            self.show(snapshot.shown[:-1], patience)
        if manifest is not None:
            self._ask()
            with _in_words(self._store.address, snapshot):
                self._publish_manifest(manifest, snapshot.folder, patience)
                logger.info(
                    '%s: step %d is there: %d new files, %.1f MB, %.1f s',
                    *(self._store.address, manifest.step, len(sent)),
                    *(sum(file.size_bytes for file in sent) / 1e6, patience.spent_s),
                )
                self._tidy(manifest, patience)
        with _in_words(self._store.address, snapshot):
            self.show(snapshot.shown[-1:], patience)

    def show(self, pieces: Iterable[Piece], patience: Patience) -> None:
        """
        Send files under their own names, for people and tools.

        :param pieces: of a snapshot
        :param patience: for all of it
        :raises StoreError: when the store can not be reached or refuses
        """
        for piece in pieces:
            file = _describe(piece)
            if self._shown.get(piece.name) != file.sha256:
                self._store.put(piece.path, piece.name, patience)
                self._shown[piece.name] = file.sha256

    def _ask(self) -> None:
        if self._may_write is not None:
            self._may_write()

    def _send_kept(self, files: Files, patience: Patience) -> list[StoredFile]:
        """Send until a listing shows all of it: a cut connection may leave less than it says."""
        sent: dict[str, StoredFile] = {}
        missing = set(files)
        try:
            while missing := self._find_missing(files, patience):
                if sent:
                    patience.pause(_PAUSE_S)
                for name in [name for name in files if name in missing]:
                    piece, file = files[name]
                    self._store.put(piece.path, name, patience)
                    sent[name] = file
        except StoreError as error:
            left = [
                file.name for name, (_, file) in files.items() if name in missing - sent.keys()
            ]
            raise UploadError([_describe_left(left, len(files)), *error.findings]) from error
        return list(sent.values())

    def _find_missing(self, files: Files, patience: Patience) -> set[str]:
        there = self._store.list_sizes(OBJECTS, patience)
        return {name for name, (_, file) in files.items() if there.get(name) != file.size_bytes}

    def _prepare_manifest(
        self, step: int, epoch: int, files: list[StoredFile], patience: Patience
    ) -> Manifest:
        if self._next_sequence is None:
            names = sort_names(self._store.list_names(MANIFESTS, patience))
            self._next_sequence = max((name.sequence for name in names), default=0) + 1
        return Manifest(
            sequence=self._next_sequence,
            step=step,
            epoch=epoch,
            fencing_token=self._token,
            written_at=datetime.now(timezone.utc).isoformat(timespec='seconds'),
            files=tuple(files),
        )

    def _publish_manifest(self, manifest: Manifest, folder: Path, patience: Patience) -> None:
        aside = folder / _MANIFEST
        aside.write_bytes(manifest.to_bytes())
        self._store.put(aside, f'{MANIFESTS}/{manifest.name}', patience)
        self._next_sequence = manifest.sequence + 1
        self._manifests[manifest.name] = manifest

    def _tidy(self, newest: Manifest, patience: Patience) -> None:
        """Delete older manifests first, then what no manifest names; nothing hangs on it."""
        try:
            names = [name.text for name in sort_names(self._store.list_names(MANIFESTS, patience))]
            if not names or names[0] != newest.name:
                # Another machine has a later claim: it is its store now.
                return
            for name in names[self._keep :]:
                self._store.delete(f'{MANIFESTS}/{name}', patience)
            needed = {
                file.object_name
                for name in names[: self._keep]
                for file in self._read(name, patience).files
            }
            for name in self._store.list_sizes(OBJECTS, patience).keys() - needed:
                self._store.delete(name, patience)
        except CalledOff:
            raise
        except RunError as error:
            logger.warning('%s; older uploads stay for now', error)

    def _read(self, name: str, patience: Patience) -> Manifest:
        if name not in self._manifests:
            with tempfile.TemporaryDirectory(prefix='manifest-') as scratch:
                path = Path(scratch, name)
                self._store.get(f'{MANIFESTS}/{name}', path, patience)
                self._manifests[name] = read_manifest(path)
        return self._manifests[name]


@contextmanager
def _in_words(address: str, snapshot: Snapshot) -> Iterator[None]:
    """Say of what went wrong which upload it was."""
    try:
        yield
    except CalledOff as error:
        raise CalledOff(
            [f'{address}: step {snapshot.step} gave way to what is more urgent']
        ) from error
    except RunError as error:
        raise UploadError(
            [f'{address}: step {snapshot.step} is not complete: {"; ".join(error.findings)}']
        ) from error


def _describe(piece: Piece) -> StoredFile:
    try:
        return StoredFile(piece.name, piece.path.stat().st_size, hash_file(piece.path))
    except OSError as error:
        raise UploadError([f'{piece.path}: can not be read ({error.strerror})']) from error


def _describe_left(names: list[str], total: int) -> str:
    shown = ', '.join(names[:_SHOWN]) + (', ...' if len(names) > _SHOWN else '')
    return f'{len(names)} of {total} files are missing there: {shown}' if names else 'no listing'
