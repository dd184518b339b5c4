"""A training that the ledger knows of: goes on where the last attempt ended, tells how it ends."""

import dataclasses
import logging
import os
from typing import Any

from rich.console import Console

from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.ledger.leases.lease import Lease
from ssd_training.ledger.stores.entry import Entry
from ssd_training.ledger.trainings.going_on import (
    find_places,
    find_source,
    is_finished,
    Places,
    read_result,
)
from ssd_training.ledger.trainings.tracking import Tracker
from ssd_training.runs.layout import run_path
from ssd_training.runs.signals import StopRequest
from ssd_training.training import session
from ssd_training.training.distribution import find_worker_index
from ssd_training.training.supervision import Supervision

logger = logging.getLogger(__name__)


def train_tracked(
    config: ExperimentConfig,
    fingerprint: str,
    start: session.Start,
    *,
    console: Console,
    stop: StopRequest,
    tracker: Tracker,
) -> dict[str, Any]:
    """
    Train to the end, under a claim where there is a ledger that knows the experiment.

    :param config: the experiment
    :param fingerprint: 12 hex digits
    :param start: of the command line; where it names no checkpoint, the claim does
    :param console: for the progress
    :param stop: the request of a signal
    :param tracker: entered
    :return: the summary, with the path of the run folder; where somebody else trains it or has
        done so, its status says so, and reason why
    :raises RunError: see session.train
    :raises LedgerError: when it can not be claimed, or the claim was lost
    """
    run = run_path(config.run.root, config.experiment.id, fingerprint)
    places = find_places(run, config.run.upload_to)
    # The others do what the chief does.
    is_chief = find_worker_index(config.runtime, os.environ) == 0
    reason = tracker.claim(config, fingerprint, start.git_commit) if is_chief else None
    if reason is not None:
        logger.warning('%s; nothing was trained', reason)
        return {'run': str(places.folder), 'status': 'not trained', 'reason': reason}
    lease = tracker.lease
    if lease is None:
        return session.train(config, fingerprint, start, console=console, stop=stop)
    if is_finished(places):
        logger.warning('%s: was trained to its end before; the ledger is told', places.folder)
    else:
        session.train(
            config,
            fingerprint,
            _go_on(start, lease.entry, places),
            console=console,
            stop=stop,
            supervision=_supervise(tracker, lease, places),
        )
    result = read_result(places)
    tracker.succeed(result)
    return {
        'run': str(places.folder),
        'status': 'success',
        'step': result.total_steps,
        'best_metric': result.best_metric,
    }


def _go_on(start: session.Start, entry: Entry, places: Places) -> session.Start:
    if start.resume or start.run_from is not None:
        return start
    source = find_source(entry, places)
    if source is not None:
        logger.info('%s: goes on from %s', entry.key, source)
    return dataclasses.replace(start, run_from=source, stays_in_folder=True)


def _supervise(tracker: Tracker, lease: Lease, places: Places) -> Supervision:
    def note(step: int) -> None:
        tracker.keep_checkpoint(places.address, step)

    return Supervision(lease.check, note, lease.token)
