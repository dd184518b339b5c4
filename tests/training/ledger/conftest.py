"""Both stores of a ledger: a file, and a table of a DynamoDB server on this machine."""

import itertools
from pathlib import Path
import threading

import pytest

from ssd_training.ledger.opening import Location
from tests.training.ledger.experiments import ENVIRONMENT

_numbers = itertools.count()


@pytest.fixture(scope='session')
def dynamodb_url():
    """Run a DynamoDB server; its address."""
    moto_server = pytest.importorskip('moto.moto_server.werkzeug_app', reason='no moto')
    from werkzeug.serving import make_server

    application = moto_server.DomainDispatcherApplication(moto_server.create_backend_app)
    lock = threading.Lock()

    def one_at_a_time(environ, start_response):
        # A write with a condition is one piece in DynamoDB; in moto, among threads, it is not.
        with lock:
            return application(environ, start_response)

    server = make_server(
        '127.0.0.1',
        0,
        one_at_a_time,
        threaded=True,
        request_handler=moto_server.MotoRequestHandler,
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f'http://127.0.0.1:{server.server_port}'
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def aws(dynamodb_url, monkeypatch):
    """Have boto3 talk to that server."""
    for name, value in {**ENVIRONMENT, 'AWS_ENDPOINT_URL': dynamodb_url}.items():
        monkeypatch.setenv(name, value)


@pytest.fixture
def table(aws) -> Location:
    """Make a table of its own."""
    location = Location(table=f'ledger-{next(_numbers)}')
    location.open().create()
    return location


@pytest.fixture(params=['sqlite', 'dynamodb'])
def location(request, tmp_path: Path) -> Location:
    """Give an empty ledger, of each kind."""
    if request.param == 'dynamodb':
        return request.getfixturevalue('table')
    return Location(path=tmp_path / 'runs/ledger.db')


@pytest.fixture
def store(location):
    """Open it."""
    return location.open()
