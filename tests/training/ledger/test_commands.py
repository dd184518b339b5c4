"""The command line of the ledger: results on stdout, one sentence for what is wrong on stderr."""

from http.server import BaseHTTPRequestHandler, HTTPServer
import json
import sqlite3
import threading

import pytest

from ssd_training.ledger.__main__ import main
from ssd_training.ledger.leases.clock import machine_clock
from ssd_training.ledger.leases.terms import Terms
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.stores.entry import Status
from ssd_training.ledger.stores.sqlite import SqliteStore
from ssd_training.ledger.stores.store import get
from tests.training.ledger.experiments import ENVIRONMENT, make_entry

SMOKE = 'experiments/smoke.yaml'
DENIED = 'AccessDeniedException', 'User is not authorized to perform: dynamodb:UpdateItem'
SKEWED = 'InvalidSignatureException', 'Signature expired: 20260101T000000Z is now earlier than'
UNKNOWN = 'UnrecognizedClientException', 'The security token included in the request is invalid.'
THROTTLED = 'ProvisionedThroughputExceededException', 'The level of configured throughput'
NO_INDEX = 'ValidationException', 'The table does not have the specified index: queue-index'


@pytest.fixture
def ledger(tmp_path, monkeypatch):
    """Use a ledger in an empty folder."""
    for name in ('DYNAMODB_EXPERIMENT_TABLE', 'AWS_REGION', 'GIT_COMMIT'):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('SSD_LEDGER', 'ledger.db')
    return SqliteStore(tmp_path / 'ledger.db')


@pytest.fixture
def run(ledger, capsys):
    """Run a command: exit code, stdout, stderr."""

    def run_with(*arguments):
        capsys.readouterr()
        try:
            code = main(arguments)
        except SystemExit as end:
            code = end.code
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run_with


def claims_of(store, lease_s=60.0):
    return Claims(store, Terms(machine_clock(), lease_s), 'somehost')


def test_experiments_are_registered_listed_and_what_is_next_is_told(run):
    assert run('register', SMOKE, 'experiment.priority=2')[0] == 0
    code, table, _ = run('list')
    assert code == 0
    head, row = table.splitlines()
    assert head.split() == (
        'ID FINGERPRINT STATUS PRIORITY STEPS METRIC INSTANCE WORKER LEASE COST'.split()
    )
    assert row.split()[0] == 'smoke' and row.split()[2:] == ['pending', '2', *'------']
    assert run('next')[1].startswith('smoke (')
    assert json.loads(run('list', '--json')[1])[0]['status'] == 'pending'


def test_the_flags_of_the_reference_work(run, ledger):
    assert 'dry run' in run('--dry_run', SMOKE)[1]
    assert ledger.list_entries() == []
    run(SMOKE)
    assert 'pending' in run('--list')[1]
    claims_of(ledger).claim_next().fail('the loss is nan', is_final=True)
    assert '  failure: the loss is nan (attempt 3 of 3)' in run('--list')[1]
    assert run('--reset_failed', 'smoke')[1].strip().endswith('pending')
    assert run('--ledger', 'ledger.db', '--reset-failed', 'smoke')[0] == 1


def test_a_dry_run_of_a_worker_claims_nothing(run, ledger):
    run('register', SMOKE)
    assert SMOKE in run('run', '--dry_run')[1]
    assert ledger.list_entries()[0].status is Status.PENDING


def test_an_empty_ledger_has_nothing_next(run):
    assert run('next') == (1, 'nothing can be claimed now\n', '')
    assert run('run', '--no_wait', '--poll_s', '0') == (0, 'nothing can be claimed now\n', '')


def test_a_lease_and_its_age_are_listed(run, ledger):
    ledger.add(make_entry())
    claims_of(ledger).claim_next()
    worker, age, unit, cost = run('list')[1].splitlines()[1].split()[-4:]
    assert (worker, int(age) < 60, unit, cost) == ('somehost', True, 's', '-')


def test_watching_ends_where_nothing_is_left_to_do(run, ledger):
    ledger.add(make_entry('good', 1, status=Status.SUCCESS))
    reason = 'the loss is nan; running on is no use'
    ledger.add(
        make_entry('bad', 2, status=Status.FAILED, failed_attempts=3, failure_reason=reason)
    )
    code, text, _ = run('list', '--watch', '0')
    assert code == 0
    assert f'  failure: {reason} (attempt 3 of 3)' in text
    assert run('list', '--watch', 'soon')[0] == 2


def test_what_a_machine_holds_is_released_by_force_or_when_its_lease_is_over(run, ledger):
    ledger.add(make_entry())
    lease = claims_of(ledger).claim_next()
    code, _, error = run('release', 'exp')
    assert code == 1
    assert 'whose lease is not known to be over; wait for it, or give --force' in error
    assert run('release', 'exp', '--force', '--dry_run')[0] == 0
    assert get(ledger, lease.key).status is Status.RUNNING
    assert run('release', 'exp', '--force')[0] == 0
    row = get(ledger, lease.key)
    assert (row.status, row.failure_reason) == (Status.PENDING, f'taken away from {lease.owner}')
    assert 'only what is running can be released' in run('release', 'exp')[2]


def test_a_name_that_is_not_there_is_an_error(run):
    for command in (['list'], ['reset_failed'], ['release']):
        code, _, error = run(*command, 'nobody')
        assert code == 1 and 'has no nobody' in error and len(error.splitlines()) == 1


def test_two_ledgers_at_once_are_an_error(run, monkeypatch):
    monkeypatch.setenv('DYNAMODB_EXPERIMENT_TABLE', 'ledger')
    code, _, error = run('list')
    assert code == 2
    assert error == (
        'SSD_LEDGER and DYNAMODB_EXPERIMENT_TABLE: both are given; one names the ledger\n'
    )
    assert run('list', '--ledger', 'other.db')[0] == 0


@pytest.mark.parametrize('value', ['soon', '-1', 'nan', '0.5'])
def test_a_length_of_leases_that_is_none_is_refused(run, monkeypatch, value):
    monkeypatch.setenv('SSD_LEASE_S', value)
    code, _, error = run('next')
    assert code == 2
    assert error == f'SSD_LEASE_S: received {value}; expected a number from 1 on\n'


def test_a_ledger_of_another_version_is_left_alone(run, ledger):
    run('list')
    with sqlite3.connect('ledger.db') as connection:
        connection.execute('PRAGMA user_version = 7')
    connection.close()
    code, _, error = run('list')
    assert code == 1
    assert 'ledger.db: is a ledger of version 7, this program reads 1; use the program' in error


def test_a_file_that_is_no_ledger_is_left_alone(run, tmp_path):
    (tmp_path / 'text.db').write_text('no database at all, whatever its name says')
    assert 'file is not a database; it is no ledger' in run('list', '--ledger', 'text.db')[2]
    with sqlite3.connect('other.db') as connection:
        connection.execute('CREATE TABLE songs (name)')
    connection.close()
    before = (tmp_path / 'other.db').read_bytes()
    assert 'other.db: is a database, but no ledger' in run('list', '--ledger', 'other.db')[2]
    assert (tmp_path / 'other.db').read_bytes() == before


def test_a_path_that_can_not_be_is_an_error(run, tmp_path):
    (tmp_path / 'file').write_text('')
    assert 'its folder can not be made' in run('list', '--ledger', 'file/ledger.db')[2]
    (tmp_path / 'folder').mkdir()
    error = run('list', '--ledger', 'folder')[2]
    assert 'folder: unable to open database file; is the folder there' in error


def test_on_a_full_disk_nothing_is_lost(run, ledger):
    ledger.add(make_entry())
    connection = ledger._connection
    pages = connection.execute('PRAGMA page_count').fetchone()[0]
    # SQLite's own error, at its own limit.
    connection.execute(f'PRAGMA max_page_count = {pages}')
    with pytest.raises(Exception, match='disk is full; make room, nothing was lost'):
        for number in range(1000):
            ledger.add(make_entry(f'exp{number}', number, recipe='x' * 2000))
    connection.execute('PRAGMA max_page_count = 100000')
    assert get(ledger, make_entry().key) == make_entry()


@pytest.fixture
def refusing_server(monkeypatch):
    """Run a server that gives every request one error of AWS."""
    refusal = ['', '']

    class Refusal(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.dumps({'__type': f'com.amazonaws#{refusal[0]}', 'message': refusal[1]})
            self.rfile.read(int(self.headers['Content-Length']))
            self.send_response(400)
            self.send_header('Content-Length', str(len(body)))
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_):
            pass

    server = HTTPServer(('127.0.0.1', 0), Refusal)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv('AWS_ENDPOINT_URL', f'http://127.0.0.1:{server.server_port}')
    monkeypatch.setenv('AWS_MAX_ATTEMPTS', '1')
    yield refusal
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(
    ('refusal', 'advice'),
    [
        (DENIED, 'these credentials lack the right; the table and its index need GetItem'),
        (SKEWED, 'or the clock of this machine is more than five minutes off'),
        (UNKNOWN, 'the access key is not known; give the variables AWS_ACCESS_KEY_ID'),
        (NO_INDEX, 'create_table adds the index'),
    ],
)
def test_what_aws_refuses_is_said_with_what_to_do(run, refusing_server, refusal, advice):
    refusing_server[:] = refusal
    code, _, error = run('next', '--table_name', 'experiments', '--region', 'eu-west-1')
    assert code == 1
    assert error.startswith(f'table experiments (eu-west-1): {refusal[0]} ({refusal[1]})')
    assert advice in error and len(error.splitlines()) == 1


def test_without_credentials_it_says_which_ones(run, monkeypatch, tmp_path):
    for name in ENVIRONMENT:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
    for name in ('AWS_CONFIG_FILE', 'AWS_SHARED_CREDENTIALS_FILE'):
        monkeypatch.setenv(name, str(tmp_path / 'none'))
    code, _, error = run('list', '--table_name', 'experiments')
    assert code == 1
    assert error.startswith('table experiments (us-east-1): no credentials of AWS')


def test_where_no_server_answers_it_says_so(run, monkeypatch):
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    # Nothing listens on port 1.
    monkeypatch.setenv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    code, _, error = run('list', '--table_name', 'experiments')
    assert code == 1
    assert 'not reached' in error and 'are region (--region), network' in error


def test_a_table_that_is_not_there_is_made_on_demand_and_a_wrong_region_has_none(run, aws):
    code, _, error = run('register', SMOKE, '--table_name', 'demanded')
    assert code == 1
    assert 'ResourceNotFoundException' in error and 'create_table makes it' in error
    assert run('create_table', '--table_name', 'demanded')[1].strip().endswith('made')
    assert run('create_table', '--table_name', 'demanded')[1].strip().endswith('is there')
    assert run('register', SMOKE, '--table_name', 'demanded')[0] == 0
    assert 'smoke' in run('list', '--table_name', 'demanded')[1]
    error = run('list', '--table_name', 'demanded', '--region', 'eu-west-1')[2]
    assert 'table demanded (eu-west-1): ResourceNotFoundException' in error
    assert 'is the region the right one (--region)?' in error


def test_a_table_in_a_file_is_refused(run):
    assert run('create_table')[0] == 2
