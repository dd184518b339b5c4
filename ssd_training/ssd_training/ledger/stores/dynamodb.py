"""A ledger in DynamoDB, for machines anywhere: conditional writes, consistent reads."""

from collections.abc import Iterable, Iterator
from decimal import Decimal
import os
import threading
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from ssd_training.ledger.stores.aws_errors import explained
from ssd_training.ledger.stores.dynamodb_table import create_table, INDEX
from ssd_training.ledger.stores.entry import Entry, from_row, Key, Queue, to_row
from ssd_training.ledger.stores.store import Queued

# A store that does not answer must not hold up a heartbeat.
_CONFIG = Config(
    connect_timeout=5, read_timeout=10, retries={'mode': 'standard', 'max_attempts': 4}
)
_BATCH = 100
_CONFLICT = 'ConditionalCheckFailedException'

Item = dict[str, dict[str, Any]]


class DynamoDbStore:
    """
    Keeps entries in a table; see Store.

    :param table: its name
    :param region: of AWS; the endpoint may be another one (AWS_ENDPOINT_URL)
    """

    def __init__(self, table: str, region: str) -> None:
        self._table = table
        self._region = region
        self._lock = threading.Lock()
        self._connected: Any = None
        self._process_id = 0

    @property
    def name(self) -> str:
        """Give the name of the table."""
        return f'table {self._table} ({self._region})'

    def create(self) -> bool:
        """
        Make the table, or what it lacks.

        :return: false when everything was there
        """
        with explained(self.name):
            return create_table(self._client, self._table)

    def add(self, entry: Entry) -> bool:
        """
        Add an entry.

        :param entry: a new one
        :return: false when there is one with this key
        """
        return self._write(
            'put_item', Item=encode_row(to_row(entry)), ConditionExpression=_not_exists()
        )

    def get_many(self, keys: Iterable[Key]) -> list[Entry]:
        """
        Read entries.

        :param keys: of the entries
        :return: those that are there
        """
        wanted = list(keys)
        if len(wanted) == 1:
            with explained(self.name):
                found = self._client.get_item(
                    TableName=self._table, Key=_encode_key(wanted[0]), ConsistentRead=True
                )
            return [_decode_item(found['Item'])] if 'Item' in found else []
        entries: list[Entry] = []
        for start in range(0, len(wanted), _BATCH):
            entries += self._get_batch(wanted[start : start + _BATCH])
        return entries

    def replace(self, old: Entry, new: Entry) -> bool:
        """
        Change an entry, unless somebody else has changed it; unknown attributes stay.

        :param old: as it was read
        :param new: with the same key
        :return: false when it is not the version that was read
        """
        before, after = to_row(old), to_row(new)
        removed = [name for name in before if name not in after]
        condition = '#version = :read'
        if old.version == 0:
            # As another program has registered it: without most attributes.
            before = dict(old.key._asdict())
            condition = 'attribute_exists(experiment_id) AND attribute_not_exists(#version)'
        changed = [name for name in after if before.get(name) != after[name]]
        expression = 'SET ' + ', '.join(f'#{name} = :{name}' for name in changed)
        if removed:
            expression += ' REMOVE ' + ', '.join(f'#{name}' for name in removed)
        values = {f':{name}': _encode(after[name]) for name in changed}
        if old.version != 0:
            values[':read'] = _encode(old.version)
        return self._write(
            'update_item',
            Key=_encode_key(old.key),
            UpdateExpression=expression,
            ConditionExpression=condition,
            ExpressionAttributeNames={f'#{name}': name for name in (*changed, *removed)},
            ExpressionAttributeValues=values,
        )

    def list_entries(self) -> list[Entry]:
        """
        Read all entries.

        :return: in any order
        """
        return [_decode_item(item) for item in self._pages('scan', ConsistentRead=True)]

    def find(self, experiment_id: str) -> list[Entry]:
        """
        Read the entries of an experiment.

        :param experiment_id: experiment.id
        :return: the newest registration last
        """
        items = self._pages(
            'query',
            KeyConditionExpression='experiment_id = :id',
            ExpressionAttributeValues={':id': _encode(experiment_id)},
            ConsistentRead=True,
        )
        return sorted(map(_decode_item, items), key=lambda entry: entry.registered_at)

    def list_queue(self, queue: Queue, limit: int | None = None) -> list[Queued]:
        """
        Read the head of a queue, from an index that lags behind a little.

        :param queue: which one
        :param limit: how many at most
        :return: sorted by rank
        """
        items = self._pages(
            'query',
            limit,
            IndexName=INDEX,
            KeyConditionExpression='#queue = :queue',
            ExpressionAttributeNames={'#queue': 'queue'},
            ExpressionAttributeValues={':queue': _encode(queue.value)},
        )
        rows = [_decode_row(item) for item in items]
        return [
            Queued(
                Key(row['experiment_id'], row['fingerprint']),
                row['rank'],
                tuple(row.get('depends_on', ())),
            )
            for row in rows
        ]

    @property
    def _client(self) -> Any:
        with self._lock:
            # Connections must not be taken into a process that was forked.
            if self._connected is None or self._process_id != os.getpid():
                session = boto3.session.Session()
                self._connected = session.client(
                    'dynamodb', region_name=self._region, config=_CONFIG
                )
                self._process_id = os.getpid()
            return self._connected

    def _write(self, operation: str, **arguments: Any) -> bool:
        """Tell whether the condition of a write was met."""
        with explained(self.name):
            try:
                getattr(self._client, operation)(TableName=self._table, **arguments)
            except ClientError as error:
                if error.response['Error']['Code'] == _CONFLICT:
                    return False
                raise
            return True

    def _get_batch(self, keys: list[Key]) -> Iterator[Entry]:
        request = {
            self._table: {'Keys': [_encode_key(key) for key in keys], 'ConsistentRead': True}
        }
        while request:
            with explained(self.name):
                answer = self._client.batch_get_item(RequestItems=request)
            yield from map(_decode_item, answer['Responses'].get(self._table, []))
            request = answer.get('UnprocessedKeys') or {}

    def _pages(self, operation: str, limit: int | None = None, **arguments: Any) -> Iterator[Item]:
        with explained(self.name):
            paginator = self._client.get_paginator(operation)
            yield from paginator.paginate(
                TableName=self._table,
                PaginationConfig={'MaxItems': limit, 'PageSize': limit},
                **arguments,
            ).search('Items[]')


def _not_exists() -> str:
    return 'attribute_not_exists(experiment_id) AND attribute_not_exists(fingerprint)'


def _encode_key(key: Key) -> Item:
    return encode_row(key._asdict())


def encode_row(row: dict[str, Any]) -> Item:
    """
    Write a row as DynamoDB has it.

    :param row: from to_row
    :return: an item
    """
    return {name: _encode(value) for name, value in row.items()}


def _encode(value: Any) -> dict[str, Any]:
    if isinstance(value, bool):
        return {'BOOL': value}
    if isinstance(value, int | float):
        return {'N': repr(value)}
    if isinstance(value, list):
        return {'L': [_encode(element) for element in value]}
    return {'S': value}


def _decode_item(item: Item) -> Entry:
    return from_row(_decode_row(item))


def _decode_row(item: Item) -> dict[str, Any]:
    return {name: _decode(value) for name, value in item.items()}


def _decode(value: dict[str, Any]) -> Any:
    ((kind, content),) = value.items()
    if kind == 'N':
        return Decimal(content)
    if kind in ('L', 'SS'):
        return [_decode(element) if kind == 'L' else element for element in content]
    return None if kind == 'NULL' else content
