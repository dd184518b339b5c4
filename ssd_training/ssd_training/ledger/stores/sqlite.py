"""
A ledger in a file of this machine: SQLite, safe among processes.

Not for folders on the network: its locks and its shared memory do not reach other machines.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
import json
import os
from pathlib import Path
import sqlite3
import threading
from typing import Any

from ssd_training.errors import LedgerError
from ssd_training.ledger.stores.entry import Entry, FIELDS, from_row, Key, Queue, to_row
from ssd_training.ledger.stores.store import Queued

VERSION = 1
# What the file is, for SQLite's own header: "SSDL".
_APPLICATION_ID = 0x5353444C
_PATIENCE_S = 30.0
_LISTS = ('depends_on', 'arguments')
_FLAGS = ('enabled', 'is_blocked')
_COLUMNS = (*FIELDS, 'queue', 'rank')
_TYPES = {
    bool: 'INTEGER',
    int: 'INTEGER',
    int | None: 'INTEGER',
    float: 'REAL',
    float | None: 'REAL',
}
_CREATE = (
    'CREATE TABLE experiments ('
    + ', '.join(
        f'"{name}" {_TYPES.get(FIELDS[name].type, "TEXT") if name in FIELDS else "TEXT"}'  # type: ignore[arg-type]
        for name in _COLUMNS
    )
    + ', PRIMARY KEY (experiment_id, fingerprint)) WITHOUT ROWID',
    'CREATE INDEX queues ON experiments (queue, rank, depends_on)',
    f'PRAGMA application_id = {_APPLICATION_ID}',
    f'PRAGMA user_version = {VERSION}',
)
_INSERT = (
    f'INSERT OR IGNORE INTO experiments ({", ".join(_COLUMNS)}) '
    f'VALUES ({", ".join("?" * len(_COLUMNS))})'
)
_UPDATE = (
    f'UPDATE experiments SET {", ".join(f"{name} = ?" for name in _COLUMNS)} '
    'WHERE experiment_id = ? AND fingerprint = ? AND version = ?'
)
_ADVICE = {
    sqlite3.SQLITE_FULL: 'the disk is full; make room, nothing was lost',
    sqlite3.SQLITE_READONLY: 'it can not be written; give yourself the right to file and folder',
    sqlite3.SQLITE_CANTOPEN: 'is the folder there, and may you write in it?',
    sqlite3.SQLITE_BUSY: f'another process holds it for more than {_PATIENCE_S:.0f} s; which one?',
    sqlite3.SQLITE_NOTADB: 'it is no ledger; give another path',
    sqlite3.SQLITE_CORRUPT: 'it is damaged; bring back a copy, or give another path',
}


class SqliteStore:
    """
    Keeps entries in a file; see Store.

    :param path: of the file; it and its folder are made when they are missing
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._process_id = 0

    @property
    def name(self) -> str:
        """Give the path."""
        return str(self._path)

    def add(self, entry: Entry) -> bool:
        """
        Add an entry.

        :param entry: a new one
        :return: false when there is one with this key
        """
        with self._open() as connection:
            return connection.execute(_INSERT, _to_values(entry)).rowcount == 1

    def get_many(self, keys: Iterable[Key]) -> list[Entry]:
        """
        Read entries.

        :param keys: of the entries
        :return: those that are there
        """
        query = 'SELECT * FROM experiments WHERE experiment_id = ? AND fingerprint = ?'
        with self._open() as connection:
            rows = [connection.execute(query, key).fetchone() for key in keys]
        return [_to_entry(row) for row in rows if row is not None]

    def replace(self, old: Entry, new: Entry) -> bool:
        """
        Change an entry, unless somebody else has changed it.

        :param old: as it was read
        :param new: with the same key
        :return: false when it is not the version that was read
        """
        with self._open() as connection:
            values = (*_to_values(new), *old.key, old.version)
            return connection.execute(_UPDATE, values).rowcount == 1

    def list_entries(self) -> list[Entry]:
        """
        Read all entries.

        :return: in any order
        """
        with self._open() as connection:
            return [_to_entry(row) for row in connection.execute('SELECT * FROM experiments')]

    def find(self, experiment_id: str) -> list[Entry]:
        """
        Read the entries of an experiment.

        :param experiment_id: experiment.id
        :return: the newest registration last
        """
        query = 'SELECT * FROM experiments WHERE experiment_id = ? ORDER BY registered_at'
        with self._open() as connection:
            return [_to_entry(row) for row in connection.execute(query, (experiment_id,))]

    def list_queue(self, queue: Queue, limit: int | None = None) -> list[Queued]:
        """
        Read the head of a queue.

        :param queue: which one
        :param limit: how many at most
        :return: sorted by rank
        """
        query = (
            'SELECT experiment_id, fingerprint, rank, depends_on FROM experiments '
            'WHERE queue = ? ORDER BY rank LIMIT ?'
        )
        with self._open() as connection:
            rows = connection.execute(query, (queue.value, -1 if limit is None else limit))
            return [
                Queued(Key(row['experiment_id'], row['fingerprint']), row['rank'], _list(row))
                for row in rows
            ]

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                # A connection must not be taken into a process that was forked.
                if self._connection is None or self._process_id != os.getpid():
                    self._connection, self._process_id = self._connect(), os.getpid()
                yield self._connection
            except sqlite3.Error as error:
                # The low byte is the kind of error.
                code = getattr(error, 'sqlite_errorcode', 0) & 0xFF
                advice = _ADVICE.get(code, 'check file and folder')
                raise LedgerError([f'{self._path}: {error}; {advice}']) from error

    def _connect(self) -> sqlite3.Connection:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise LedgerError(
                [f'{self._path}: its folder can not be made ({error.strerror}); give another path']
            ) from error
        # Statements stand alone; each is a transaction.
        connection = sqlite3.connect(
            self._path, timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        try:
            connection.row_factory = sqlite3.Row
            # A power failure must not bring back a fencing token that was given away.
            connection.execute('PRAGMA synchronous = FULL')
            if _is_empty(connection):
                _create(connection)
            self._check_version(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _check_version(self, connection: sqlite3.Connection) -> None:
        application_id = connection.execute('PRAGMA application_id').fetchone()[0]
        version = connection.execute('PRAGMA user_version').fetchone()[0]
        if application_id != _APPLICATION_ID:
            raise LedgerError(
                [f'{self._path}: is a database, but no ledger; give another path (--ledger)']
            )
        if version != VERSION:
            raise LedgerError(
                [
                    f'{self._path}: is a ledger of version {version}, this program reads '
                    f'{VERSION}; use the program that wrote it, or register in another file '
                    f'(--ledger)'
                ]
            )


def _is_empty(connection: sqlite3.Connection) -> bool:
    return bool(connection.execute('SELECT count(*) FROM sqlite_master').fetchone()[0] == 0)


def _create(connection: sqlite3.Connection) -> None:
    """Make the table, unless another process has done so by now."""
    connection.execute('PRAGMA journal_mode = WAL')
    connection.execute('BEGIN IMMEDIATE')
    with connection:
        if _is_empty(connection):
            for statement in _CREATE:
                connection.execute(statement)


def _to_values(entry: Entry) -> list[Any]:
    row = to_row(entry)
    row |= {name: json.dumps(row[name]) for name in _LISTS}
    return [row.get(name) for name in _COLUMNS]


def _to_entry(row: sqlite3.Row) -> Entry:
    values = dict(row)
    values |= {name: json.loads(values[name]) for name in _LISTS}
    values |= {name: bool(values[name]) for name in _FLAGS}
    return from_row(values)


def _list(row: sqlite3.Row) -> tuple[str, ...]:
    return tuple(json.loads(row['depends_on']))
