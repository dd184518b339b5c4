"""A run folder as it is between two steps, kept while the training goes on to change it."""

from collections.abc import Iterator
from dataclasses import dataclass
import os
from pathlib import Path
import shutil

from ssd_training.errors import RunError, UploadError
from ssd_training.runs.checkpoints import list_steps
from ssd_training.runs.layout import CHECKPOINTS, LOGS, METRICS, read_metrics, STATUS

_STAGING = '.upload'
_LAST = f'{CHECKPOINTS}/last'


@dataclass(frozen=True)
class Piece:
    """
    One file.

    :param name: relative to the run folder
    :param path: where its content stays
    """

    name: str
    path: Path


@dataclass(frozen=True)
class Snapshot:
    """
    A run folder at one moment.

    :param folder: where its content stays
    :param step: of the newest checkpoint, or None when there is none
    :param epoch: epochs done then
    :param kept: what a training goes on with, the newest checkpoint first
    :param shown: what people and tools look at: JSON and logs, status.json last
    """

    folder: Path
    step: int | None
    epoch: int
    kept: tuple[Piece, ...]
    shown: tuple[Piece, ...]

    def discard(self) -> None:
        """Let go of the content."""
        shutil.rmtree(self.folder, ignore_errors=True)


def take_snapshot(run: Path, number: int) -> Snapshot:
    """
    Keep what a run folder holds; the cost is a link a file, and a copy of the logs.

    :param run: the run folder, to which nothing is written meanwhile
    :param number: of the snapshot
    :return: to be discarded
    :raises UploadError: when there is no room
    """
    folder = run / _STAGING / str(number)
    steps = list_steps(os.listdir(run / _LAST)) if (run / _LAST).is_dir() else []
    newest = f'{_LAST}/ckpt-{steps[-1]}.npz' if steps else ''
    names = sorted(_list_names(run), key=lambda name: (name == STATUS, name != newest, name))
    try:
        pieces = [_keep(run, name, folder) for name in names]
        epoch = _count_epochs(folder / METRICS, steps[-1]) if steps else 0
    except OSError as error:
        shutil.rmtree(folder, ignore_errors=True)
        raise UploadError(
            [f'{run}: can not be uploaded now ({error.strerror}: {error.filename})']
        ) from error
    return Snapshot(
        folder=folder,
        step=steps[-1] if steps else None,
        epoch=epoch,
        kept=tuple(
            piece
            for piece in pieces
            if not _is_log(piece.name)
            and (not piece.name.startswith(_LAST) or piece.name == newest)
        ),
        shown=tuple(piece for piece in pieces if _is_log(piece.name) or '/' not in piece.name),
    )


def forget_snapshots(run: Path) -> None:
    """
    Delete what a kill has left.

    :param run: the run folder
    """
    shutil.rmtree(run / _STAGING, ignore_errors=True)


def _list_names(run: Path) -> Iterator[str]:
    for folder, folders, names in os.walk(run):
        # Not into the snapshots: the thread that sends them deletes them meanwhile.
        folders[:] = [name for name in folders if not name.startswith('.')]
        for name in names:
            path = Path(folder, name)
            if not name.startswith('.') and path.is_file():
                yield str(path.relative_to(run))


def _keep(run: Path, name: str, folder: Path) -> Piece:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    if _is_log(name):
        # These grow; all others are replaced as a whole, and a link keeps the old one.
        shutil.copyfile(run / name, path)
        return Piece(name, path)
    try:
        os.link(run / name, path)
    except OSError:
        # Some file systems have no links.
        shutil.copyfile(run / name, path)
    return Piece(name, path)


def _is_log(name: str) -> bool:
    return name.startswith(f'{LOGS}/')


def _count_epochs(metrics: Path, step: int) -> int:
    """Count the epochs that a checkpoint has behind it, by the history."""
    if not metrics.exists():
        return 0
    try:
        history = read_metrics(metrics)
    except RunError:
        return 0
    return max((entry.get('epoch', 0) for entry in history if entry['step'] <= step), default=0)
