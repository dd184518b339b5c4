"""
What an upload holds, written when all of it is there: manifests/<name>.json beside objects/.

A manifest gets a name of its own and is never written again, nor is an object: its name is its
hash. So an upload that breaks off leaves those before it whole, and a machine that lost its claim
and goes on writing can spoil nothing.
"""

from collections.abc import Iterable
import dataclasses
from dataclasses import dataclass
import hashlib
import json
from pathlib import Path
import re
from typing import Annotated

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError

from ssd_training.errors import CheckpointError
from ssd_training.runs.checkpoints import Count

MANIFESTS = 'manifests'
OBJECTS = 'objects'
_FORMAT = 1
_HASH_LENGTH = 16
_LIMIT_BYTES = 2**20
_NAME = re.compile(r'(\d{8})_step_(\d+)_token_(none|\d+)_([0-9a-f]{16})\.json')


@dataclass(frozen=True)
class StoredFile:
    """
    A file of a run folder.

    :param name: relative to the folder, never out of it
    :param size_bytes: of its content
    :param sha256: of its content, 64 hex digits
    """

    __pydantic_config__ = ConfigDict(extra='forbid')

    name: Annotated[str, Field(pattern=r'^\w[\w.-]*(/\w[\w.-]*)*$')]
    size_bytes: Count
    sha256: Annotated[str, Field(pattern=r'^[0-9a-f]{64}$')]

    @property
    def object_name(self) -> str:
        """Name it by its content, so that equal content is stored once and never overwritten."""
        return f'{OBJECTS}/{self.sha256[:_HASH_LENGTH]}_{Path(self.name).name}'


@dataclass(frozen=True)
class Manifest:
    """
    What one upload holds.

    :param sequence: uploads of this run before it, of all machines
    :param step: of the newest checkpoint
    :param epoch: epochs done then
    :param fencing_token: of the claim under which it was written, or None without a ledger
    :param written_at: ISO 8601, UTC, by the clock of the machine
    :param files: of the run folder
    :param format: of this file
    """

    __pydantic_config__ = ConfigDict(extra='forbid')

    sequence: Count
    step: Count
    epoch: Count
    fencing_token: Count | None
    written_at: str
    files: tuple[StoredFile, ...]
    format: int = _FORMAT

    def to_bytes(self) -> bytes:
        """Write it as JSON."""
        return (json.dumps(dataclasses.asdict(self), indent=2) + '\n').encode()

    @property
    def name(self) -> str:
        """Name it, by its content too: what was cut off does not go by its name."""
        token = 'none' if self.fencing_token is None else self.fencing_token
        digest = hashlib.sha256(self.to_bytes()).hexdigest()[:_HASH_LENGTH]
        return f'{self.sequence:08d}_step_{self.step}_token_{token}_{digest}.json'


@dataclass(frozen=True)
class ManifestName:
    """
    What the name of a manifest says.

    :param text: the name
    :param sequence: see Manifest
    :param step: see Manifest
    :param fencing_token: see Manifest; -1 stands for none
    """

    text: str
    sequence: int
    step: int
    fencing_token: int

    @property
    def rank(self) -> tuple[int, int, str]:
        """Sort by it: a claim that was lost never comes before the one that followed it."""
        return self.fencing_token, self.sequence, self.text


def sort_names(names: Iterable[str]) -> list[ManifestName]:
    """
    Find the manifests among file names.

    :param names: of the files in a folder
    :return: the newest first; other files are left out
    """
    found = [
        ManifestName(
            match[0], int(match[1]), int(match[2]), -1 if match[3] == 'none' else int(match[3])
        )
        for name in names
        if (match := _NAME.fullmatch(name))
    ]
    return sorted(found, key=lambda name: name.rank, reverse=True)


def read_manifest(path: Path) -> Manifest:
    """
    Read a manifest and check that it is what was written under its name.

    :param path: of the file, whose name counts
    :return: what it says
    :raises CheckpointError: when it is cut off, damaged or of another version
    """
    try:
        if path.stat().st_size > _LIMIT_BYTES:
            raise CheckpointError([f'{path.name}: is larger than a manifest can be'])
        content = path.read_bytes()
        manifest = TypeAdapter(Manifest).validate_json(content)
    except (OSError, ValidationError) as error:
        raise CheckpointError([f'{path.name}: cut off or damaged']) from error
    if manifest.format != _FORMAT:
        raise CheckpointError(
            [f'{path.name}: has format {manifest.format}; this version reads {_FORMAT}']
        )
    if manifest.name != path.name or manifest.to_bytes() != content:
        raise CheckpointError([f'{path.name}: its content is not that of its name'])
    return manifest
