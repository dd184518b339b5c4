"""
What the ledger knows of an experiment, and the states that it goes through.

    pending -> running -> success
       ^          |-> failed -> running (while attempts are left)
       |----------|   (interrupted, released)

Names of attributes are those of AdmiralAki99/MobileNetV2-SSD's table, where it has them.
"""

from collections.abc import Mapping
import dataclasses
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Any, NamedTuple

# Of a row that another program has registered.
DEFAULT_MAX_ATTEMPTS = 3
# So that a priority of any sign sorts as text.
MAX_PRIORITY = 1e6


class Status(str, Enum):
    """Where an experiment stands."""

    PENDING = 'pending'
    RUNNING = 'running'
    SUCCESS = 'success'
    FAILED = 'failed'


class Queue(str, Enum):
    """Which of the three queues an experiment is in; what is over or disabled is in none."""

    READY = 'ready'
    WAITING = 'waiting'
    RUNNING = 'running'


class Key(NamedTuple):
    """
    What tells experiments apart.

    :param experiment_id: experiment.id
    :param fingerprint: of the recipe, 12 hex digits
    """

    experiment_id: str
    fingerprint: str

    def __str__(self) -> str:
        return f'{self.experiment_id} ({self.fingerprint})'


@dataclass(frozen=True)
class Entry:
    """
    A row of the ledger; times are ISO 8601, UTC.

    :param fingerprint_hex: all 64 digits
    :param priority: the larger, the sooner
    :param depends_on: ids of experiments that have to succeed before
    :param experiment_config_path: the YAML file
    :param config_root: folder of its components
    :param arguments: key.path=value that go with it
    :param git_commit: part of the fingerprint where it is given
    :param recipe: what the fingerprint is made of, as JSON
    :param enabled: false is never claimed
    :param is_blocked: something that it depends on has not succeeded yet
    :param failed_attempts: in a row, without a checkpoint in between
    :param fencing_token: grows with every claim, so that what an earlier holder does is told
    :param version: grows with every change, heartbeats included
    :param price_usd_per_hour: of the machine that it is meant for
    :param ec2_instance: who has the lease
    :param lease_s: how long the lease lasts behind the last heartbeat
    :param lease_expires: when, by the holder's clock
    :param lease_clock: the same in seconds of the holder's boot, behind the name of the boot
    :param checkpoint_s3_path: the run folder that it goes on from, a path or an address
    :param total_steps: of the newest checkpoint there
    :param run_seconds: of all attempts
    :param cost_usd: of all attempts; None when a price is unknown
    """

    experiment_id: str
    fingerprint: str
    status: Status = Status.PENDING
    fingerprint_hex: str = ''
    priority: float = 0.0
    depends_on: tuple[str, ...] = ()
    experiment_config_path: str = ''
    config_root: str = ''
    arguments: tuple[str, ...] = ()
    git_commit: str | None = None
    recipe: str = '{}'
    instance_type: str | None = None
    price_usd_per_hour: float | None = None
    registered_at: str = ''
    enabled: bool = True
    is_blocked: bool = False
    max_attempts: int = DEFAULT_MAX_ATTEMPTS
    failed_attempts: int = 0
    fencing_token: int = 0
    version: int = 0
    claimed: str | None = None
    ec2_instance: str | None = None
    run_timestamp: str | None = None
    lease_s: float | None = None
    lease_expires: str | None = None
    lease_clock: str | None = None
    checkpoint_s3_path: str | None = None
    total_steps: int | None = None
    completed_at: str | None = None
    artifact_s3_path: str | None = None
    best_metric: float | None = None
    best_epoch: int | None = None
    failure_reason: str | None = None
    run_seconds: float = 0.0
    cost_usd: float | None = None

    @property
    def key(self) -> Key:
        """What tells it apart."""
        return Key(self.experiment_id, self.fingerprint)

    @property
    def has_attempts_left(self) -> bool:
        """Whether a failure is followed by another attempt."""
        return self.failed_attempts < self.max_attempts

    @property
    def queue(self) -> Queue | None:
        """The queue that it is in."""
        if self.status is Status.RUNNING:
            return Queue.RUNNING
        is_over = self.status is Status.SUCCESS or (
            self.status is Status.FAILED and not self.has_attempts_left
        )
        if is_over or not self.enabled:
            return None
        return Queue.WAITING if self.is_blocked else Queue.READY

    @property
    def rank(self) -> str:
        """Its place in the queue: a text that sorts by priority, then by registration."""
        return f'{MAX_PRIORITY - self.priority:014.3f} {self.registered_at} {self.experiment_id}'


FIELDS = {field.name: field for field in dataclasses.fields(Entry)}


def to_row(entry: Entry) -> dict[str, Any]:
    """
    Write an entry as plain values.

    :param entry: any
    :return: attribute -> text, number, bool or list of texts; those without a value are left out
    """
    row = {name: getattr(entry, name) for name in FIELDS}
    row |= {'status': entry.status.value, 'rank': entry.rank}
    row |= {name: list(row[name]) for name in ('depends_on', 'arguments')}
    row['queue'] = entry.queue.value if entry.queue else None
    return {name: value for name, value in row.items() if value is not None}


def from_row(row: Mapping[str, Any]) -> Entry:
    """
    Read an entry; attributes that are not known are left out.

    :param row: as to_row gives it; numbers may be Decimal
    :return: the entry
    """
    values = {name: row[name] for name in FIELDS if row.get(name) is not None}
    values['status'] = Status(values['status'])
    for name, value in values.items():
        if isinstance(value, list):
            values[name] = tuple(value)
        elif isinstance(value, Decimal):
            values[name] = int(value) if FIELDS[name].type in (int, int | None) else float(value)
    return Entry(**values)


def describe_state(entry: Entry) -> str:
    """
    Word the state of an entry.

    :param entry: any
    :return: such as: running on somehost:4711 (token 3)
    """
    if entry.status is not Status.RUNNING:
        return entry.status.value
    return f'running on {entry.ec2_instance or "a machine"} (token {entry.fencing_token})'


def stamp(time: datetime) -> str:
    """
    Write a time.

    :param time: with its zone
    :return: ISO 8601, seconds
    """
    return time.isoformat(timespec='seconds')
