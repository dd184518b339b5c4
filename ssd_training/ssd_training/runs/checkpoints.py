"""
Checkpoints: the whole state of a training in one file, ckpt-<step>.npz.

It holds every variable by name and, as JSON, a record: step, position, architecture, SHA-256. One
file, so that a rename is all it takes. tf.train.Checkpoint is not used: under Keras 3 it does not
see layers that are kept in lists, and does not say so.
"""

from collections.abc import Iterable, Mapping
import dataclasses
from dataclasses import dataclass
import hashlib
import json
import os
from pathlib import Path
import re
import shutil
from textwrap import shorten
from typing import Annotated, Any
import zipfile

import numpy as np
from numpy.typing import NDArray
from pydantic import ConfigDict, Field, TypeAdapter

from ssd_training.errors import CheckpointError
from ssd_training.runs.files import sync_folder, write_atomically

_FORMAT = 1
_RECORD = 'record'
_NAME = re.compile(r'ckpt-(\d+)\.npz')

Arrays = dict[str, NDArray[Any]]
Count = Annotated[int, Field(ge=0)]


@dataclass(frozen=True)
class Position:
    """
    How far a training has come.

    Order and augmentation of the data follow from seed and step alone, so these two are the
    state of the random numbers, too.

    :param step: steps done
    :param epochs_done: epochs trained, evaluated and written to the history
    :param seed: train.seed
    :param loss_sums: of the steps of the epoch in progress, by tag
    :param best_metric: of the monitored metric, or None when there was none yet
    :param best_step: its step
    """

    __pydantic_config__ = ConfigDict(extra='forbid')

    step: Count = 0
    epochs_done: Count = 0
    seed: int = 0
    loss_sums: Mapping[str, float] = dataclasses.field(default_factory=dict)
    best_metric: float | None = None
    best_step: Count | None = None


@dataclass(frozen=True, eq=False)
class Checkpoint:
    """
    A checkpoint that was read and found whole.

    :param position: how far the training had come
    :param architecture: key path -> value, see describe_architecture
    :param fingerprint: of the run that wrote it
    :param data_sha256: of the training data's annotations
    :param arrays: every variable, by name
    """

    position: Position
    architecture: Mapping[str, Any]
    fingerprint: str
    data_sha256: str
    arrays: Arrays


def write_checkpoint(folder: Path, checkpoint: Checkpoint) -> Path:
    """
    Write a checkpoint; at any moment it is either whole or not there.

    :param folder: is made when missing
    :param checkpoint: what to keep
    :return: the .npz file
    :raises CheckpointError: when a variable holds NaN or infinity: such a state is no good one
    :raises RunError: when there is no room
    """
    broken = [
        name
        for name, array in sorted(checkpoint.arrays.items())
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all()
    ]
    if broken:
        raise CheckpointError(
            [
                f'step {checkpoint.position.step}: {len(broken)} variables hold NaN or infinity, '
                f'such as {broken[0]}; no checkpoint was written, the one before is kept; lower '
                f'scheduler.base_lr or optimizer.grad_clip_norm'
            ]
        )
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / file_name(checkpoint.position.step)
    record = {
        'format': _FORMAT,
        'position': dataclasses.asdict(checkpoint.position),
        'architecture': checkpoint.architecture,
        'fingerprint': checkpoint.fingerprint,
        'data_sha256': checkpoint.data_sha256,
        'arrays_sha256': _hash(checkpoint.arrays),
    }
    encoded = np.frombuffer(json.dumps(record, allow_nan=False).encode(), np.uint8)
    contents = {_RECORD: encoded, **checkpoint.arrays}
    write_atomically(path, lambda file: np.savez(file, allow_pickle=False, **contents))
    return path


def list_steps(names: Iterable[str]) -> list[int]:
    """
    Find the checkpoints among file names.

    :param names: of the files in a folder
    :return: their steps, rising
    """
    return sorted(int(match[1]) for name in names if (match := _NAME.fullmatch(name)))


def step_of(name: str) -> int | None:
    """
    Read the step in the name of a checkpoint.

    :param name: ckpt-<step>, with or without suffix
    :return: the step, or None when the name is another one
    """
    steps = list_steps([f'{name.removesuffix(".npz")}.npz'])
    return steps[0] if steps else None


def file_name(step: int) -> str:
    """
    Name the file of a checkpoint.

    :param step: its number
    :return: ckpt-<step>.npz
    """
    return f'ckpt-{step}.npz'


def read_checkpoint(folder: Path, step: int) -> Checkpoint:
    """
    Read a checkpoint and check that every byte is there.

    :param folder: where it is
    :param step: its number
    :return: the checkpoint
    :raises CheckpointError: when it is missing, cut off or changed
    """
    path = folder / file_name(step)
    try:
        _check_size(path)
        # numpy leaves a file open that it opened and can not read.
        with path.open('rb') as file, np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in archive.files}
        record = TypeAdapter(_Record).validate_json(arrays.pop(_RECORD).tobytes())
        if record.format != _FORMAT:
            raise CheckpointError(
                [f'{path}: has format {record.format}; this version reads {_FORMAT}']
            )
        if _hash(arrays) != record.arrays_sha256:
            raise CheckpointError([f'{path}: its SHA-256 is not that of what was written'])
    except CheckpointError:
        raise
    # zipfile, numpy's parser of headers and zlib raise whatever a changed byte leads them to:
    # NotImplementedError, tokenize.TokenError, struct.error, UnicodeDecodeError, MemoryError ...
    except Exception as error:
        raise CheckpointError(
            [f'{path}: cut off or damaged ({shorten(f"{type(error).__name__}: {error}", 200)})']
        ) from error
    return Checkpoint(
        position=record.position,
        architecture=record.architecture,
        fingerprint=record.fingerprint,
        data_sha256=record.data_sha256,
        arrays=arrays,
    )


def copy_checkpoint(folder: Path, step: int, target: Path) -> None:
    """
    Keep a checkpoint in a second folder, as a link to the same bytes where possible.

    :param folder: where it is
    :param step: its number
    :param target: the other folder; is made when missing
    """
    target.mkdir(parents=True, exist_ok=True)
    source, aside = folder / file_name(step), target / f'.{file_name(step)}.partial'
    aside.unlink(missing_ok=True)
    try:
        os.link(source, aside)
    except OSError:
        shutil.copyfile(source, aside)
    aside.replace(target / source.name)
    # Where both names are one file already, rename does nothing, and leaves this one.
    aside.unlink(missing_ok=True)
    sync_folder(target)


def prune(folder: Path, *, keep: int) -> None:
    """
    Delete all but the newest checkpoints, and what a kill has left half written.

    :param folder: of the checkpoints
    :param keep: how many stay
    """
    kept = {file_name(step) for step in list_steps(os.listdir(folder))[-keep:]}
    for path in folder.iterdir():
        if path.name not in kept:
            path.unlink()


@dataclass(frozen=True)
class _Record:
    """What a checkpoint says beside its arrays."""

    format: int
    position: Position
    architecture: dict[str, Any]
    fingerprint: str
    data_sha256: str
    arrays_sha256: str


def _check_size(path: Path) -> None:
    """Refuse what would block, or inflate to more than the file has, before it is read."""
    if not path.is_file():
        raise FileNotFoundError(f'{path.name} is not there, or no regular file')
    with zipfile.ZipFile(path) as archive:
        members = archive.infolist()
    inflated_bytes = sum(member.file_size for member in members)
    if inflated_bytes > path.stat().st_size:
        raise zipfile.BadZipFile(f'its members claim {inflated_bytes} bytes')


def _hash(arrays: Arrays) -> str:
    digest = hashlib.sha256()
    for name, array in sorted(arrays.items()):
        digest.update(f'{name} {array.dtype.str} {array.shape};'.encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
