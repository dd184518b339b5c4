"""
The table of a ledger in DynamoDB, as the reference has it, and an index for its queues.

The index is sparse: what is over is not in it. It holds no more than sorts and binds experiments,
so that heartbeats do not write to it.
"""

from typing import Any

from botocore.exceptions import ClientError

INDEX = 'queue-index'
_KEYS = {'experiment_id': 'HASH', 'fingerprint': 'RANGE'}
_INDEX_KEYS = {'queue': 'HASH', 'rank': 'RANGE'}


def create_table(client: Any, table: str) -> bool:
    """
    Make the table; add the index where an older program made the table.

    :param client: boto3's for DynamoDB
    :param table: its name
    :return: false when both were there
    """
    index = {
        'IndexName': INDEX,
        'KeySchema': _schema(_INDEX_KEYS),
        'Projection': {'ProjectionType': 'INCLUDE', 'NonKeyAttributes': ['depends_on']},
    }
    attributes = [
        {'AttributeName': name, 'AttributeType': 'S'} for name in {**_KEYS, **_INDEX_KEYS}
    ]
    try:
        found = client.describe_table(TableName=table)['Table']
    except ClientError as error:
        if error.response['Error']['Code'] != 'ResourceNotFoundException':
            raise
        client.create_table(
            TableName=table,
            KeySchema=_schema(_KEYS),
            AttributeDefinitions=attributes,
            GlobalSecondaryIndexes=[index],
            BillingMode='PAY_PER_REQUEST',
        )
    else:
        indexes = [existing['IndexName'] for existing in found.get('GlobalSecondaryIndexes', [])]
        if INDEX in indexes:
            return False
        client.update_table(
            TableName=table,
            AttributeDefinitions=attributes,
            GlobalSecondaryIndexUpdates=[{'Create': index}],
        )
    client.get_waiter('table_exists').wait(TableName=table)
    return True


def _schema(keys: dict[str, str]) -> list[dict[str, str]]:
    return [{'AttributeName': name, 'KeyType': kind} for name, kind in keys.items()]
