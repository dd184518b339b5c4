"""Where an experiment that was claimed goes on: here, or from what another machine has left."""

from dataclasses import dataclass
import logging
from pathlib import Path

from ssd_training.ledger.leases.lease import Result
from ssd_training.ledger.stores.entry import Entry
from ssd_training.runs.files import read_json
from ssd_training.runs.layout import METRICS, read_status, Status, SUMMARY
from ssd_training.runs.remote.download import list_uploads
from ssd_training.runs.resume import list_kept_steps
from ssd_training.runs.upload import address_of

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Places:
    """
    Where the files of an experiment are.

    :param folder: of the run on this machine
    :param address: of its copy elsewhere; the folder where there is none
    """

    folder: Path
    address: str


def find_places(folder: Path, upload_to: str | None) -> Places:
    """
    Name the places of a run.

    :param folder: from run_path
    :param upload_to: run.upload_to
    :return: its places
    """
    address = str(folder.absolute()) if upload_to is None else address_of(folder.name, upload_to)
    return Places(folder.absolute(), address)


def find_source(entry: Entry, places: Places) -> str | None:
    """
    Choose what a claimed experiment goes on from: whatever is farthest.

    :param entry: with what was noted at the last checkpoint
    :param places: of its run
    :return: the copy elsewhere, or the place that was noted; None for what is in the run folder
        here, if anything is
    :raises StoreError: when the copy can not be reached
    """
    here, there = _last_step(str(places.folder)), _last_step(places.address)
    noted = entry.checkpoint_s3_path
    if noted is not None and noted not in (str(places.folder), places.address):
        if _last_step(noted) > max(here, there):
            return noted
    if entry.total_steps is not None and max(here, there) < entry.total_steps:
        logger.warning(
            '%s: its checkpoint of step %s, in %s, is not to be had here; run.upload_to brings '
            'checkpoints to where all machines find them',
            *(entry.key, entry.total_steps, noted),
        )
    return places.address if there > here else None


def is_finished(places: Places) -> bool:
    """
    Tell whether a training ended well here before the ledger could be told.

    :param places: of the run
    :return: whether it did
    """
    return read_status(places.folder) == Status.SUCCESS.value


def read_result(places: Places) -> Result:
    """
    Read what a training has made.

    :param places: of its run, which is complete
    :return: for the ledger
    :raises RunError: when its files can not be read
    """
    summary = read_json(places.folder / SUMMARY)
    history = read_json(places.folder / METRICS)
    best_step = summary['best_step']
    epochs = [row['epoch'] for row in history if row['step'] == best_step]
    return Result(
        artifact=places.address,
        best_metric=summary['best_metric'],
        best_epoch=epochs[0] if epochs else None,
        total_steps=summary['global_step'],
    )


def _last_step(location: str) -> int:
    """Tell how far a run is, by its copy or its folder; -1 where nothing is."""
    if '://' in location:
        uploads = list_uploads(location)
        return uploads[0].step if uploads else -1
    return max(list_kept_steps(Path(location)), default=-1)
