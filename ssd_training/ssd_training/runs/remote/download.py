"""A run folder brought here from the newest upload that is whole."""

from collections.abc import Sequence
import logging
from pathlib import Path
import shutil
import tempfile
import weakref

from ssd_training.errors import CheckpointError, NotStoredError
from ssd_training.runs.files import hash_file
from ssd_training.runs.remote.manifest import (
    Manifest,
    ManifestName,
    MANIFESTS,
    OBJECTS,
    read_manifest,
    sort_names,
    StoredFile,
)
from ssd_training.runs.remote.patience import Patience
from ssd_training.runs.remote.store import SLOWEST_BYTES_PER_S, Store
from ssd_training.runs.storage import ANSWER_S, LocalFolder

logger = logging.getLogger(__name__)


class DownloadedRun(LocalFolder):
    """
    A run folder that was brought here; its files go with it.

    :param path: where they are
    :param address: where they come from
    :param step: of its checkpoint
    """

    def __init__(self, path: Path, *, address: str, step: int) -> None:
        super().__init__(path)
        self.path = path
        self.step = step
        self._address = address
        weakref.finalize(self, shutil.rmtree, path, ignore_errors=True)

    @property
    def name(self) -> str:
        """Give the address."""
        return self._address


def list_uploads(location: str) -> list[ManifestName]:
    """
    List the uploads of a run.

    :param location: of its copy: an address, or a path
    :return: the newest first; empty when there are none
    :raises StoreError: when the store can not be reached or refuses
    """
    if '://' not in location and not Path(location, MANIFESTS).is_dir():
        return []
    return sort_names(_open(location).list_names(MANIFESTS, Patience(ANSWER_S)))


def download_run(location: str, names: Sequence[ManifestName]) -> DownloadedRun:
    """
    Bring the first upload here of which every file is there and is what was sent.

    :param location: of the copy: an address, or a path
    :param names: of uploads, in the order of preference
    :return: the run folder, without its logs
    :raises CheckpointError: when none is whole
    :raises StoreError: when the store can not be reached or refuses
    """
    store = _open(location)
    findings: list[str] = []
    for name in names:
        try:
            run = _download(store, name)
        except CheckpointError as error:
            findings += error.findings
            continue
        for finding in findings:
            logger.warning('%s; going on from step %d instead', finding, run.step)
        return run
    raise CheckpointError(findings)


def _open(location: str) -> Store:
    return Store(location if '://' in location else f'file://{Path(location).absolute()}')


def _download(store: Store, name: ManifestName) -> DownloadedRun:
    folder = Path(tempfile.mkdtemp(prefix='run-'))
    run = DownloadedRun(folder, address=store.address, step=name.step)
    try:
        manifest = _fetch_manifest(store, name, folder)
        there = store.list_sizes(OBJECTS, Patience(ANSWER_S))
        for file in manifest.files:
            if there.get(file.object_name) != file.size_bytes:
                raise CheckpointError([f'{file.name} is missing, or cut off'])
        for file in manifest.files:
            _fetch(store, file, folder)
    except (CheckpointError, NotStoredError) as error:
        raise CheckpointError(
            f'{store.address}/{MANIFESTS}/{name.text}: {finding}' for finding in error.findings
        ) from error
    return run


def _fetch_manifest(store: Store, name: ManifestName, folder: Path) -> Manifest:
    path = folder / name.text
    store.get(f'{MANIFESTS}/{name.text}', path, Patience(ANSWER_S))
    manifest = read_manifest(path)
    path.unlink()
    return manifest


def _fetch(store: Store, file: StoredFile, folder: Path) -> None:
    path = folder / file.name
    path.parent.mkdir(parents=True, exist_ok=True)
    patience = Patience(ANSWER_S + file.size_bytes / SLOWEST_BYTES_PER_S)
    store.get(file.object_name, path, patience, size_bytes=file.size_bytes)
    if hash_file(path) != file.sha256:
        raise CheckpointError([f'{file.name}: its SHA-256 is not that of what was sent'])
