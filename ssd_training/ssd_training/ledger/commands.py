"""What `python -m ssd_training.ledger` does, and how it says it."""

import argparse
from collections.abc import Sequence
from datetime import datetime, timezone
import json
import os
from pathlib import Path
import time

from rich.console import Console
from rich.live import Live

from ssd_detector.errors import ConfigError
from ssd_training.errors import LedgerError
from ssd_training.ledger.leases.clock import machine_clock
from ssd_training.ledger.leases.expiry import Watch
from ssd_training.ledger.opening import (
    default_location,
    find_location,
    Location,
    machine_name,
    PRICE_VARIABLE,
    read_terms,
)
from ssd_training.ledger.queue.claims import Claims
from ssd_training.ledger.queue.registration import (
    list_experiments,
    read_entries,
    register,
    Sources,
)
from ssd_training.ledger.queue.repair import release, reset_failed
from ssd_training.ledger.stores.entry import Entry, Queue, Status
from ssd_training.ledger.stores.store import Store
from ssd_training.ledger.table import color_table, format_table, sort_entries, to_json
from ssd_training.ledger.trainings.training_process import TrainingProcess
from ssd_training.ledger.trainings.worker import describe_end, Plan, work

_NOTHING = 'nothing can be claimed now'


def run(arguments: argparse.Namespace) -> int:
    """
    Run a command; results go to stdout.

    :param arguments: see arguments.parse
    :return: the exit code
    """
    location = find_location(
        os.environ,
        path=arguments.ledger,
        table=arguments.table_name,
        region=arguments.region,
    ) or default_location(os.environ)
    return _RUN[arguments.command](location, arguments)


def _register(location: Location, arguments: argparse.Namespace) -> int:
    values = [text for text in arguments.experiments if '=' in text]
    paths = [Path(text) for text in arguments.experiments if '=' not in text]
    sources = Sources(arguments.config_root, values, arguments.git_commit, os.environ)
    entries = read_entries(paths or list_experiments(arguments.config_root), sources)
    store = location.open()
    for registered in register(store, entries, dry_run=arguments.dry_run):
        print(f'{registered.entry.key}: {registered.note}')
    print(f'{store.name}: {_count(len(entries))}{_dry(arguments)}')
    return 0


def _list(location: Location, arguments: argparse.Namespace) -> int:
    store = location.open()
    if arguments.watch is not None:
        return _watch(store, arguments)
    entries = _select(store, arguments.experiments)
    if arguments.json:
        print(json.dumps([to_json(entry) for entry in entries], indent=1))
    else:
        print(format_table(entries, _now()))
    return 0


def _watch(store: Store, arguments: argparse.Namespace) -> int:
    console = Console()
    with Live(console=console, auto_refresh=False) as live:
        try:
            while True:
                entries = _select(store, arguments.experiments)
                live.update(color_table(entries, _now()), refresh=True)
                if entries and all(entry.queue is None for entry in entries):
                    return 0
                time.sleep(arguments.watch)
        except KeyboardInterrupt:
            return 0


def _next(location: Location, arguments: argparse.Namespace) -> int:
    store = location.open()
    entry = Claims(store, read_terms(os.environ), machine_name(os.environ)).peek()
    if arguments.json:
        print(json.dumps(to_json(entry) if entry else None))
    else:
        print(f'{entry.key}: {entry.experiment_config_path}' if entry else _NOTHING)
    return 0 if entry else 1


def _run(location: Location, arguments: argparse.Namespace) -> int:
    if arguments.dry_run:
        return _next(location, argparse.Namespace(json=False))
    environment = dict(os.environ)
    if arguments.price_usd_per_hour is not None:
        environment[PRICE_VARIABLE] = str(arguments.price_usd_per_hour)
    claims = Claims(location.open(), read_terms(environment), machine_name(environment))
    process = TrainingProcess(location, environment)
    plan = Plan(arguments.max_experiments, not arguments.no_wait, arguments.poll_s)
    with process.listening():
        done = work(claims, process.train, plan, process.wait)
    ends = {entry.key: entry for entry in done}
    for entry in ends.values():
        print(f'{entry.key}: {describe_end(entry)}')
    if not ends:
        print(_NOTHING)
    for waiting in claims.store.list_queue(Queue.WAITING):
        print(f'{waiting.key}: waits for {", ".join(waiting.depends_on)}')
    return 1 if any(entry.status is Status.FAILED for entry in ends.values()) else 0


def _reset_failed(location: Location, arguments: argparse.Namespace) -> int:
    store = location.open()
    for name in arguments.experiments:
        for entry in reset_failed(store, name, dry_run=arguments.dry_run):
            print(f'{entry.key}: {entry.status.value}{_dry(arguments)}')
    return 0


def _release(location: Location, arguments: argparse.Namespace) -> int:
    store, watch = location.open(), Watch(machine_clock())
    for name in arguments.experiments:
        for entry in release(store, name, watch, force=arguments.force, dry_run=arguments.dry_run):
            print(f'{entry.key}: {entry.status.value}{_dry(arguments)}')
    return 0


def _create_table(location: Location, arguments: argparse.Namespace) -> int:
    if location.table is None:
        raise ConfigError(['create_table: makes a table in DynamoDB; name it with --table_name'])
    from ssd_training.ledger.stores.dynamodb import DynamoDbStore

    store = DynamoDbStore(location.table, location.region)
    print(f'{store.name}: {"made" if store.create() else "is there"}')
    return 0


def _select(store: Store, names: Sequence[str]) -> list[Entry]:
    entries = store.list_entries()
    if missing := set(names) - {entry.experiment_id for entry in entries}:
        raise LedgerError([f'{store.name}: has no {", ".join(sorted(missing))}'])
    return sort_entries(entry for entry in entries if not names or entry.experiment_id in names)


def _now() -> datetime:
    return datetime.now(timezone.utc)


def _count(number: int) -> str:
    return f'{number} experiment{"" if number == 1 else "s"}'


def _dry(arguments: argparse.Namespace) -> str:
    return ' (dry run: nothing was changed)' if arguments.dry_run else ''


_RUN = {
    'register': _register,
    'list': _list,
    'next': _next,
    'run': _run,
    'reset_failed': _reset_failed,
    'release': _release,
    'create_table': _create_table,
}
