"""Where an experiment that was claimed goes on: here, or from what another machine has left."""

from dataclasses import dataclass
import logging
import os
from pathlib import Path

from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.ledger.entry import Entry
from ssd_training.ledger.lease import Result
from ssd_training.runs.checkpoints import list_steps
from ssd_training.runs.files import read_json
from ssd_training.runs.folder import CHECKPOINTS, METRICS, read_status, run_path, Status, SUMMARY
from ssd_training.runs.remote.download import list_uploads
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


def find_places(config: ExperimentConfig, fingerprint: str) -> Places:
    """
    Name the places of an experiment's run.

    :param config: the experiment
    :param fingerprint: 12 hex digits
    :return: its places
    """
    folder = run_path(config, fingerprint).absolute()
    target = config.run.upload_to
    return Places(folder, str(folder) if target is None else address_of(folder.name, target))


def find_source(entry: Entry, places: Places) -> str | None:
    """
    Choose what a claimed experiment goes on from.

    :param entry: with the checkpoint that was noted last
    :param places: of its run
    :return: the copy elsewhere, where it is further than the run folder here; the run folder,
        where it is as far as what was noted; else what was noted, if it can be reached from here;
        None for a start anew
    :raises StoreError: when the copy can not be reached
    """
    last = places.folder / CHECKPOINTS / 'last'
    steps = list_steps(os.listdir(last)) if last.is_dir() else []
    uploads = list_uploads(places.address) if '://' in places.address else []
    if uploads and uploads[0].step > max(steps, default=-1):
        return places.address
    noted = entry.checkpoint_s3_path
    if noted is None or noted == str(places.folder):
        return str(places.folder) if steps else None
    if steps and steps[-1] >= (entry.total_steps or 0):
        return str(places.folder)
    if '://' in noted or Path(noted).is_dir():
        return noted
    logger.warning(
        '%s: its checkpoint of step %s is in %s, which is not here; run.upload_to brings '
        'checkpoints to where all machines find them',
        *(entry.key, entry.total_steps, noted),
    )
    return str(places.folder) if steps else None


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
    epochs = [one['epoch'] for one in history if one['step'] == best_step]
    return Result(
        artifact=places.address,
        best_metric=summary['best_metric'],
        best_epoch=epochs[0] if epochs else None,
        total_steps=summary['global_step'],
    )
