"""
How a ledger grows: claim, list and registration with 10 to 10,000 experiments, in both stores.

Times are of the CPU, of the thread that claims: other work on the machine does not count, nor does
the server that holds the table, which is moto's on this machine. What a claim takes on AWS follows
from its requests, of some milliseconds each, and from the items that they read.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
import os
from pathlib import Path
import statistics
import sys
import tempfile
import threading
import time
from typing import Any

from ssd_training.ledger.leases.clock import machine_clock
from ssd_training.ledger.leases.terms import Terms
from ssd_training.ledger.opening import Location
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.stores import dynamodb
from ssd_training.ledger.stores.dynamodb import DynamoDbStore, encode_row
from ssd_training.ledger.stores.entry import Entry, to_row
from ssd_training.ledger.stores.store import Store

SIZES = (10, 100, 1_000, 10_000)
NUM_CLAIMS = 10
LIMIT_MS = 50.0
# As long as that of a shipped experiment.
RECIPE = '{"key": "value"}' * 300


class Meter:
    """Counts the requests of boto3 and the items that they read."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        """Start anew."""
        self.num_requests, self.num_items = 0, 0

    def listen(self, client: Any) -> None:
        """
        Count from now on.

        :param client: boto3's
        """

        def count(parsed: dict[str, Any], **_: Any) -> None:
            self.num_requests += 1
            self.num_items += len(parsed.get('Items', ())) + ('Item' in parsed)
            self.num_items += sum(map(len, parsed.get('Responses', {}).values()))

        client.meta.events.register('after-call.dynamodb', count)


def main() -> int:
    """
    Measure and print.

    :return: 1 when a claim takes longer than it may
    """
    # A server that is slow, not one that is gone.
    dynamodb._CONFIG.read_timeout = 600
    sizes = [int(text) for text in sys.argv[1:]] or list(SIZES)
    head = f'{"store":<10}{"entries":>8}{"claim":>11}{"worst":>11}{"list":>11}{"add":>11}'
    print(f'{head}   requests and items read by a claim')
    worst_ms = 0.0
    with tempfile.TemporaryDirectory() as folder, running_table() as table:
        for kind in ('sqlite', 'dynamodb'):
            for size in sizes:
                path = Path(folder, f'{size}.db')
                location = Location(path=path) if kind == 'sqlite' else table(size)
                worst_ms = max(worst_ms, measure(kind, location.open(), size))
    print(f'slowest claim {worst_ms:.1f} ms, of {LIMIT_MS:.0f} ms')
    return 0 if worst_ms <= LIMIT_MS else 1


def measure(kind: str, store: Store, size: int) -> float:
    """
    Fill a ledger, then claim and list; print a line.

    :param kind: of store
    :param store: empty
    :param size: entries
    :return: the slowest claim, ms
    """
    meter = Meter()
    if isinstance(store, DynamoDbStore):
        meter.listen(store._client)
    *entries, last = [make_entry(number, size) for number in range(size)]
    fill(store, entries)
    add_ms = time_ms(lambda: store.add(last))
    claims = Claims(store, Terms(machine_clock()), 'bench')
    num_claims = min(NUM_CLAIMS, size // 2)
    meter.reset()
    times_ms = [time_ms(claims.claim_next) for _ in range(num_claims)]
    reads = f'{meter.num_requests / num_claims:.1f} {meter.num_items / num_claims:.0f}'
    list_ms = time_ms(store.list_entries)
    figures = (statistics.median(times_ms), max(times_ms), list_ms, add_ms)
    text = ''.join(f'{figure:>8.2f} ms' for figure in figures)
    print(f'{kind:<10}{size:>8}{text}   {reads if kind == "dynamodb" else ""}', flush=True)
    return max(times_ms)


def fill(store: Store, entries: Sequence[Entry]) -> None:
    """
    Add many entries.

    :param store: the ledger
    :param entries: new ones
    """
    if not isinstance(store, DynamoDbStore):
        for entry in entries:
            store.add(entry)
        return
    table, client = store._table, store._client
    for start in range(0, len(entries), 25):
        batch = [
            {'PutRequest': {'Item': encode_row(to_row(entry))}}
            for entry in entries[start : start + 25]
        ]
        client.batch_write_item(RequestItems={table: batch})


def time_ms(action: Callable[[], object]) -> float:
    """
    Time something, by the CPU of this thread.

    :param action: is called once
    :return: milliseconds
    """
    start_s = time.thread_time()
    action()
    return 1000 * (time.thread_time() - start_s)


def make_entry(number: int, size: int) -> Entry:
    """
    Make up an experiment: a tenth of them waits for the last one, the rest is ready.

    :param number: of the experiment
    :param size: of the ledger
    :return: its entry
    """
    waits = number % 10 == 9 and number != size - 1
    return Entry(
        f'exp{number:05}',
        f'{number:012x}',
        priority=float(number % 7),
        registered_at=f'2026-01-01T00:00:00.{number:06}+00:00',
        recipe=RECIPE,
        depends_on=(f'exp{size - 1:05}',) if waits else (),
        is_blocked=waits,
        version=1,
    )


@contextmanager
def running_table() -> Iterator[Callable[[int], Location]]:
    """
    Run a DynamoDB server.

    :return: makes a table
    """
    from moto.server import create_backend_app, DomainDispatcherApplication
    from werkzeug.serving import make_server, WSGIRequestHandler

    WSGIRequestHandler.log_request = lambda *_: None
    application = DomainDispatcherApplication(create_backend_app)
    server = make_server('127.0.0.1', 0, application, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    os.environ |= {
        'AWS_ENDPOINT_URL': f'http://127.0.0.1:{server.server_port}',
        'AWS_ACCESS_KEY_ID': 'nobody',
        'AWS_SECRET_ACCESS_KEY': 'nothing',
    }

    def make_table(size: int) -> Location:
        location = Location(table=f'ledger-{size}')
        location.open().create()
        return location

    try:
        yield make_table
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


if __name__ == '__main__':
    sys.exit(main())
