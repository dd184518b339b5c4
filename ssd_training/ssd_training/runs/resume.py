"""What `--resume` goes on with: the run folder here, or the copy of it elsewhere."""

import dataclasses
import logging
import os
from pathlib import Path

from ssd_training.errors import RunError
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.runs.checkpoint_source import find_run, LAST, open_source, Source
from ssd_training.runs.checkpoints import list_steps
from ssd_training.runs.layout import CHECKPOINTS, describe_finished, read_status, run_path, Status
from ssd_training.runs.remote.download import DownloadedRun, list_uploads
from ssd_training.runs.upload import address_of

logger = logging.getLogger(__name__)


def find_to_resume(
    config: ExperimentConfig, fingerprint: str, step: int | None
) -> tuple[Path | None, Source | None]:
    """
    Find the newest state of a recipe.

    :param config: the experiment
    :param fingerprint: of it, 12 hex digits
    :param step: of the checkpoint; the newest one by default
    :return: the run folder here, None when there is none; and the checkpoint, None when nothing
        was saved before the end. Where a copy elsewhere is further, the checkpoint is from there.
    :raises RunError: when there is neither, or the run is finished
    """
    own = run_path(config.run.root, config.experiment.id, fingerprint)
    target = config.run.upload_to
    copy = None if target is None else address_of(own.name, target)
    uploads = list_uploads(copy) if copy is not None else []
    path = None
    if not uploads or any(Path(config.run.root).glob(f'*_{fingerprint}')):
        path = find_run(Path(config.run.root), fingerprint, dataclasses.asdict(config))
        steps = list_kept_steps(path)
        if not uploads or step in steps or (steps and steps[-1] >= uploads[0].step):
            return path, _open_here(path, steps, step)
        logger.warning(
            '%s is at step %s, %s at step %d: going on from there',
            *(path, steps[-1] if steps else 0, copy, uploads[0].step),
        )
    assert copy is not None, 'it has uploads'
    source = open_source(copy, step)
    if isinstance(source.run, DownloadedRun) and _is_finished(source.run.path):
        raise RunError([f'--resume: {describe_finished(copy)}'])
    return path, source


def _open_here(path: Path, steps: list[int], step: int | None) -> Source | None:
    if not steps and step is None:
        logger.warning('%s: ended before its first checkpoint; starts at step 0', path)
        return None
    return open_source(str(path), step)


def list_kept_steps(path: Path) -> list[int]:
    """
    List the checkpoints that a run folder can be gone on with from.

    :param path: of the run folder, which need not be there
    :return: their steps, rising
    """
    last = path / CHECKPOINTS / LAST
    return list_steps(os.listdir(last)) if last.is_dir() else []


def _is_finished(path: Path) -> bool:
    return read_status(path) == Status.SUCCESS.value
