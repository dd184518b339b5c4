"""Reads `*.db3` files of recordings, of every version of their schema."""

from collections.abc import Collection, Iterator
from contextlib import closing
from pathlib import Path
import re
import sqlite3
import sys

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.compression import MAX_MESSAGE_BYTES
from ssd_detector_ros.bag_evaluation.reading.recordings import (
    CDR,
    complete_type_name,
    StoredMessage,
    Topic,
)

_VIRTUAL = re.compile(r'\s*create\s+virtual', re.IGNORECASE)
# Of PRAGMA table_xinfo: columns that are computed when they are read, and when they are written.
_COMPUTED = (2, 3)
# sqlite3 gives values of any type where a page is damaged.
_DAMAGE = (sqlite3.Error, ArithmeticError, TypeError, ValueError)


class SqliteStorage:
    """
    A `*.db3` file.

    :param path: the file
    :raises BagError: when it is none
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[str] = []
        try:
            with closing(_connect(path)) as connection:
                _refuse_views(connection)
                self._topics = dict(_read_topics(connection))
                self._counts = self._count(connection)
        except _DAMAGE as error:
            raise BagError(
                [
                    f'{path}: can not be read as a recording ({error}); expected the sqlite3 '
                    f'storage of ros2 bag'
                ]
            ) from error

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic that the file names."""
        return tuple(self._topics.values())

    @property
    def counts(self) -> dict[str, int]:
        """Messages by topic."""
        return self._counts

    @property
    def problems(self) -> tuple[str, ...]:
        """What is missing or damaged."""
        return tuple(self._problems)

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """
        Read messages in the order of their times.

        :param topics: names
        :return: the messages
        """
        names = {key: topic.name for key, topic in self._topics.items() if topic.name in topics}
        if not names:
            return
        num_read = 0
        try:
            with closing(_connect(self._path)) as connection:
                for key, time_ns, data in connection.execute(
                    f'SELECT topic_id, timestamp, data FROM messages '
                    f'WHERE topic_id IN ({",".join(map(str, names))}) ORDER BY timestamp, id'
                ):
                    yield StoredMessage(names[key], int(time_ns), memoryview(data).tobytes())
                    num_read += 1
        except _DAMAGE as error:
            self._problems.append(
                f'{self._path}: damaged after {num_read} messages ({error}); the rest is missing'
            )

    def _count(self, connection: sqlite3.Connection) -> dict[str, int]:
        rows = connection.execute(
            'SELECT topic_id, COUNT(*) FROM messages GROUP BY topic_id'
        ).fetchall()
        counts: dict[str, int] = {}
        for key, count in rows:
            if key in self._topics:
                name = self._topics[key].name
                counts[name] = counts.get(name, 0) + count
            else:
                self._problems.append(
                    f'{self._path}: {count} messages of topic number {key}, which the file does '
                    f'not name; left out'
                )
        return counts


def _read_topics(connection: sqlite3.Connection) -> Iterator[tuple[int, Topic]]:
    definitions = _read_definitions(connection)
    for key, name, type_name, serialization in connection.execute(
        'SELECT id, name, type, serialization_format FROM topics'
    ):
        full_name = complete_type_name(type_name)
        format_, text = definitions.get(full_name, ('', ''))
        yield int(key), Topic(name, full_name, serialization or CDR, text, format_)


def _read_definitions(connection: sqlite3.Connection) -> dict[str, tuple[str, str]]:
    """Read the definitions that recorders from Iron on store."""
    tables = {
        row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    }
    if 'message_definitions' not in tables:
        return {}
    rows = connection.execute(
        'SELECT topic_type, encoding, encoded_message_definition FROM message_definitions'
    )
    return {complete_type_name(name): (format_, text) for name, format_, text in rows}


def _connect(path: Path) -> sqlite3.Connection:
    """Open for reading; nothing is written beside the file, unless a log waits to be read."""
    log = path.with_name(f'{path.name}-wal')
    # What a killed recorder left in the log is only read without `immutable`.
    option = 'mode=ro' if log.is_file() and log.stat().st_size else 'immutable=1'
    connection = sqlite3.connect(f'{path.absolute().as_uri()}?{option}', uri=True)
    connection.text_factory = lambda content: content.decode(errors='replace')
    # A schema is a program: what it says is not run, and no value is larger than a message.
    connection.execute('PRAGMA trusted_schema = OFF')
    if sys.version_info >= (3, 11):
        connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_MESSAGE_BYTES)
    return connection


def _refuse_views(connection: sqlite3.Connection) -> None:
    """Refuse tables that are programs: a view can go on for ever, a column too."""
    for name, kind, text in connection.execute('SELECT name, type, sql FROM sqlite_master'):
        columns = connection.execute('SELECT hidden FROM pragma_table_xinfo(?)', (name,))
        is_computed = any(hidden in _COMPUTED for (hidden,) in columns)
        if kind in ('view', 'trigger') or is_computed or _VIRTUAL.match(str(text)):
            raise ValueError(f'{name} is computed; expected tables that hold what was recorded')
