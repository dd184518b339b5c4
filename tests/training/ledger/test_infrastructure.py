"""
What Terraform makes for the ledger: its table, and a machine's rights, enough and none to spare.

The ledger and the uploads run with the keys of a user who has them, against a server that refuses
all else. It looks at actions; that each is for one resource is in test_terraform.
"""

from itertools import count
import json
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from ssd_training.errors import LedgerError, RunError
from ssd_training.ledger.opening import Location, read_terms
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.stores.store import Store
from ssd_training.runs.checkpoint_source import open_source
from ssd_training.runs.remote import store as remote_store
from ssd_training.runs.remote.patience import Patience
from ssd_training.runs.upload import Upload
from tests.terraform import parse, read_files
from tests.training.ledger.experiments import make_entry
from tests.training.small_run import make_run, train_to

FOLDER = Path(__file__).parents[3] / 'ssd_training/infrastructure'
_names = count()


def rights():
    """List the actions for ledger and checkpoints."""
    policy = parse(read_files(FOLDER)).one('data', 'aws_iam_policy_document', 'worker')
    wanted = ('Ledger', 'ListBuckets', 'Checkpoints')
    return [
        action
        for statement in policy.all('statement')
        if statement.attributes.get('sid') in wanted
        for action in statement.attributes['actions']
    ]


class Account:
    """
    An account with a table, a bucket, and a user whose rights count.

    :param client: gives a boto3 client
    :param url: of the server
    """

    def __init__(self, client, url):
        self._iam = client('iam')
        self._url = url
        self._iam.create_user(UserName='worker')
        self._keys = self._iam.create_access_key(UserName='worker')['AccessKey']

    def be_worker(self, patch, actions):
        """From here on nobody is let in but the worker, to these actions."""
        statement = {'Effect': 'Allow', 'Action': actions, 'Resource': '*'}
        document = json.dumps({'Version': '2012-10-17', 'Statement': [statement]})
        self._iam.put_user_policy(UserName='worker', PolicyName='w', PolicyDocument=document)
        patch.setenv('AWS_ACCESS_KEY_ID', self._keys['AccessKeyId'])
        patch.setenv('AWS_SECRET_ACCESS_KEY', self._keys['SecretAccessKey'])
        self.ask_for_rights(True)

    def ask_for_rights(self, asks):
        """Whether the server looks at keys."""
        request = Request(
            f'{self._url}/moto-api/reset-auth',
            data=b'0' if asks else b'inf',
            headers={'Content-Type': 'text/plain'},
        )
        urlopen(request).close()


@pytest.fixture(scope='module')
def account(bucket):
    boto3 = pytest.importorskip('boto3')
    url = bucket.meta.endpoint_url
    account = Account(boto3.client, url)
    yield account
    account.ask_for_rights(False)


@pytest.fixture
def store(account, monkeypatch) -> Store:
    """Open a ledger with two experiments."""
    account.ask_for_rights(False)
    location = Location(table=f'machines-{next(_names)}')
    location.open().create()
    for name in ('first', 'second'):
        location.open().add(make_entry(name))
    return location.open()


def test_the_table_is_the_one_that_the_ledger_makes(account, store):
    import boto3

    made = boto3.client('dynamodb').describe_table(TableName=store.name.split()[1])['Table']
    table = parse(read_files(FOLDER)).one('resource', 'aws_dynamodb_table')
    (index,) = made['GlobalSecondaryIndexes']
    block = table.one('global_secondary_index').attributes
    for part, attributes in ((made, table.attributes), (index, block)):
        keys = [key['AttributeName'] for key in part['KeySchema']]
        assert keys == [attributes['hash_key'], attributes['range_key']]
    assert block['name'] == index['IndexName']
    assert index['Projection'] == {
        'ProjectionType': block['projection_type'],
        'NonKeyAttributes': block['non_key_attributes'],
    }
    attributes = {
        attribute['AttributeName']: attribute['AttributeType']
        for attribute in made['AttributeDefinitions']
    }
    assert attributes == {
        attribute.attributes['name']: attribute.attributes['type']
        for attribute in table.all('attribute')
    }
    assert table.attributes['billing_mode'] == made['BillingModeSummary']['BillingMode']


def work(store, tmp_path):
    """Do what a machine does: claim, beat, save, go on elsewhere, end."""
    claims = Claims(store, read_terms({}), 'machine')
    first, second = claims.claim_next(), claims.claim_next()
    assert first is not None and second is not None
    first.renew()
    run = make_run(tmp_path / 'first')
    upload = Upload(run, 's3://checkpoints/runs', keep=1)
    for step in (10, 20):
        train_to(run, step)
        with upload.at_the_end():
            pass
    assert open_source(upload.address).checkpoint.position.step == 20
    # What is not deleted is only said in the log.
    remote_store.Store(upload.address).delete('config.json', Patience(20))
    claims.peek()
    second.fail('the loss is nan')
    first.release('SIGTERM')


def test_they_are_enough_for_the_work(account, store, monkeypatch, tmp_path):
    import s3fs

    account.be_worker(monkeypatch, rights())
    s3fs.S3FileSystem.clear_instance_cache()
    work(store, tmp_path)


# It ends an upload that broke off, which s3fs does in silence.
NEEDED = [action for action in rights() if action != 's3:AbortMultipartUpload']


@pytest.mark.slow
@pytest.mark.parametrize('left_out', NEEDED)
def test_without_one_of_them_the_work_ends_with_a_sentence(
    account, store, monkeypatch, tmp_path, left_out
):
    import s3fs

    account.be_worker(monkeypatch, [right for right in rights() if right != left_out])
    s3fs.S3FileSystem.clear_instance_cache()
    with pytest.raises((LedgerError, RunError)):
        work(store, tmp_path)


def test_a_machine_registers_nothing(account, store, monkeypatch):
    account.be_worker(monkeypatch, rights())
    with pytest.raises(LedgerError, match='PutItem'):
        store.add(make_entry('third'))
