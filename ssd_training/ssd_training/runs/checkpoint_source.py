"""Where a training goes on from: `--resume`, `--run_from`, `--checkpoint_step`."""

from collections.abc import Mapping
from dataclasses import dataclass
import logging
from pathlib import Path
import re
import tempfile
from typing import Any

from ssd_training.errors import CheckpointError, RunError, WeightsError
from ssd_training.experiments.architecture import flatten, list_misfits
from ssd_training.runs.checkpoints import (
    Checkpoint,
    file_name,
    list_steps,
    read_checkpoint,
    step_of,
)
from ssd_training.runs.files import read_json_as
from ssd_training.runs.fingerprint import select_recipe
from ssd_training.runs.layout import (
    CHECKPOINTS,
    CONFIG,
    describe_finished,
    read_status,
    started_at,
    Status,
)
from ssd_training.runs.remote.download import download_run, list_uploads
from ssd_training.runs.remote.manifest import ManifestName
from ssd_training.runs.start_weights import find_start, hash_start, START, TEACHER
from ssd_training.runs.storage import Folder, open_folder

LAST = 'last'
_SHOWN = 5

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Source:
    """
    A checkpoint that was found.

    :param checkpoint: as read
    :param run: the run folder that it lies in, or None where it lies elsewhere
    """

    checkpoint: Checkpoint
    run: Folder | None


def find_run(root: Path, fingerprint: str, config: Mapping[str, Any]) -> Path:
    """
    Find the run that `--resume` goes on with: the newest of this fingerprint.

    :param root: where the run folders are
    :param fingerprint: 12 hex digits
    :param config: of this experiment, to tell what differs in other runs
    :return: its folder
    :raises RunError: when there is none, or it is finished
    """
    runs = sorted(root.glob(f'*_{fingerprint}'), key=started_at)
    if not runs:
        raise RunError(
            [
                f'--resume: {root} has no run of {fingerprint}, this very recipe; leave --resume '
                f'out to start one, or go on from another recipe with --run_from RUN',
                *_others(root, config),
            ]
        )
    if read_status(runs[-1]) == Status.SUCCESS.value:
        raise RunError([f'--resume: {describe_finished(runs[-1])}'])
    return runs[-1]


def open_source(location: str, step: int | None = None) -> Source:
    """
    Read the checkpoint that `--run_from` names.

    :param location: a run folder, its checkpoints, one of `last` and `best`, or one checkpoint
        (with or without suffix); a path, or an address such as s3://bucket/runs/name
    :param step: of the checkpoint; the newest one by default
    :return: the checkpoint; when the newest is damaged, the one before, which is logged
    :raises CheckpointError: when there is none
    :raises StoreError: when the store can not be reached or refuses
    """
    location, named_step = _split_step(location.rstrip('/'))
    if named_step is not None and step is not None and named_step != step:
        raise CheckpointError(
            [f'--checkpoint_step: {step}, but --run_from names ckpt-{named_step}; give one']
        )
    step = named_step if step is None else step
    run = re.sub(rf'/{CHECKPOINTS}(/[^/]+)?$', '', location)
    if uploads := list_uploads(run):
        return _open_upload(run, uploads, step)
    for suffix in ('', f'/{LAST}', f'/{CHECKPOINTS}/{LAST}'):
        folder = open_folder(f'{location}{suffix}')
        if steps := list_steps(folder.list_names()):
            return _read(folder, steps, step)
    raise CheckpointError(
        [
            f'{location}: no checkpoint there; looked for ckpt-<step>.npz in it, in {LAST} and in '
            f'{CHECKPOINTS}/{LAST}; check the path'
        ]
    )


def _open_upload(location: str, uploads: list[ManifestName], step: int | None) -> Source:
    chosen = [name for name in uploads if step in (None, name.step)]
    if not chosen:
        steps = sorted({name.step for name in uploads})
        raise CheckpointError(
            [f'{location}: has no ckpt-{step}; there are {", ".join(map(str, steps))}']
        )
    run = download_run(location, chosen)
    checkpoint = read_checkpoint(run.path / CHECKPOINTS / LAST, run.step)
    logger.info('%s: read ckpt-%d', location, run.step)
    return Source(checkpoint, run)


def _split_step(location: str) -> tuple[str, int | None]:
    """Take `ckpt-<step>` off the end of a location."""
    parent, separator, name = location.rpartition('/')
    if (step := step_of(name)) is None:
        return location, None
    return (parent or ('/' if separator else '.')), step


def _read(folder: Folder, steps: list[int], step: int | None) -> Source:
    if step is not None and step not in steps:
        raise CheckpointError(
            [f'{folder.name}: has no ckpt-{step}; there are {", ".join(map(str, steps))}']
        )
    damaged: list[str] = []
    for candidate in [step] if step is not None else reversed(steps):
        try:
            checkpoint = _read_one(folder, candidate)
        except CheckpointError as error:
            damaged += error.findings
            continue
        for finding in damaged:
            logger.warning('%s; going on from ckpt-%d instead', finding, candidate)
        logger.info('%s: read ckpt-%d', folder.name, candidate)
        return Source(checkpoint, _run_of(folder))
    raise CheckpointError(damaged)


def _read_one(folder: Folder, step: int) -> Checkpoint:
    with tempfile.TemporaryDirectory(prefix='checkpoint-') as scratch:
        return read_checkpoint(folder.fetch(file_name(step), Path(scratch)).parent, step)


def _run_of(folder: Folder) -> Folder | None:
    match = re.fullmatch(rf'(.+)/{CHECKPOINTS}/[^/]+', folder.name)
    return open_folder(match[1]) if match else None


def _others(root: Path, config: Mapping[str, Any]) -> list[str]:
    """Tell for other runs which keys make them another recipe."""
    wanted = flatten(select_recipe(config))
    findings = []
    for path in sorted(root.glob(f'*/{CONFIG}'))[:_SHOWN]:
        try:
            tree = read_json_as(path, dict[str, Any])
            misfits = _list_weights(tree, config)
            misfits += list_misfits(flatten(select_recipe(tree)), wanted)
        # Damaged, or of a version with other sections: this run explains nothing.
        except (RunError, AttributeError, KeyError, TypeError, ValueError):
            continue
        shown = '; '.join(misfits[:_SHOWN]) or (
            'nothing but --git_commit, or weights whose file has changed since'
        )
        findings.append(f'{path.parent.name} differs in {shown}')
    return findings


def _list_weights(found: Mapping[str, Any], wanted: Mapping[str, Any]) -> list[str]:
    """Compare what two experiments start and learn from: by content, as the fingerprint does."""
    differences = []
    for key in (START, TEACHER):
        names = [_look_up(tree, key) for tree in (found, wanted)]
        if _identify(names[0]) != _identify(names[1]):
            differences.append(f'{key}: is {names[0]}, this experiment has {names[1]}')
    return differences


def _look_up(tree: Mapping[str, Any], key: str) -> str | None:
    value: Any = tree
    for part in key.split('.'):
        value = (value or {}).get(part)
    return value


def _identify(weights: str | None) -> str | None:
    try:
        return hash_start(find_start(weights))
    except WeightsError:
        # It is not here any more.
        return weights
