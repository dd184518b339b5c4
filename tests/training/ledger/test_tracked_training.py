"""Real trainings under the ledger: claimed, noted, interrupted, gone on with."""

import json
import os
import signal
import threading
import time

import pytest

from ssd_training.ledger.queue.registration import read_entries, register, Sources
from ssd_training.ledger.stores.entry import Status
from ssd_training.ledger.stores.sqlite import SqliteStore
from ssd_training.train import CONFIG_ROOT, main
from tests.training.conftest import TINY, UNCHANGED

# Two steps an epoch, little to compile.
RECIPE = (
    *UNCHANGED,
    *('train.epochs=2', 'train.eval_every=1', 'train.batch_size=4', 'scheduler.warmup.steps=2'),
    *('backbone.freeze_until=block_4', 'input_size=[64, 64]', 'checkpoint.save_every_steps=1'),
    'infrastructure.price_usd_per_hour=3600',
)


@pytest.fixture
def store(tmp_path, data_root, monkeypatch):
    """Register the small experiment."""
    for name, value in {
        'SSD_LEDGER': tmp_path / 'ledger.db',
        'DATA_ROOT': data_root,
        'RUNS_ROOT': tmp_path / 'runs',
    }.items():
        monkeypatch.setenv(name, str(value))
    store = SqliteStore(tmp_path / 'ledger.db')
    register(store, read_entries([TINY], Sources(CONFIG_ROOT, RECIPE, None, os.environ)))
    return store


def train(*arguments):
    """Run the command in this process, which has TensorFlow already: the exit code."""
    return main(['--experiment_path', str(TINY), *RECIPE, *arguments])


def test_what_was_trained_to_its_end_before_the_ledger_heard_of_it_is_a_success(
    store, tmp_path, capsys
):
    """As where a machine dies between its last write and the ledger's."""
    (row,) = store.list_entries()
    folder = tmp_path / 'runs' / f'tiny_{row.fingerprint}'
    folder.mkdir(parents=True)
    summary = {'best_metric': 0.4, 'best_step': 2, 'global_step': 4}
    history = [{'step': 2, 'epoch': 1, 'timestamp': ''}, {'step': 4, 'epoch': 2, 'timestamp': ''}]
    for name, content in {
        'training_summary.json': summary,
        'metric_history.json': history,
        'status.json': {'status': 'success'},
    }.items():
        (folder / name).write_text(json.dumps(content))

    assert train() == 0

    assert capsys.readouterr().out.strip() == str(folder)
    (row,) = store.list_entries()
    assert (row.status, row.best_metric, row.best_epoch, row.total_steps) == (
        *(Status.SUCCESS, 0.4, 1, 4),
    )


@pytest.mark.slow
def test_a_training_notes_what_it_made_and_is_not_trained_twice(store, tmp_path, capsys):
    assert train() == 0
    run = capsys.readouterr().out.strip()

    (row,) = store.list_entries()
    assert (row.status, row.fencing_token) == (Status.SUCCESS, 1)
    assert (row.artifact_s3_path, row.checkpoint_s3_path) == (run, run)
    assert row.best_metric is not None and row.best_epoch in (1, 2)
    assert row.cost_usd == pytest.approx(row.run_seconds, rel=0.1)
    assert train() == 0
    assert 'has succeeded already' in capsys.readouterr().err
    assert store.list_entries() == [row]


@pytest.mark.slow
def test_a_training_that_was_interrupted_is_free_at_once_and_goes_on(store, capsys):
    def terminate():
        while not store.list_entries()[0].total_steps:
            time.sleep(0.01)
        os.kill(os.getpid(), signal.SIGTERM)

    threading.Thread(target=terminate, daemon=True).start()
    assert train() == 128 + signal.SIGTERM
    (row,) = store.list_entries()
    assert (row.status, row.ec2_instance) == (Status.PENDING, None)
    assert row.failure_reason.startswith('SIGTERM: stopped at step')
    assert train() == 0
    assert f'{row.checkpoint_s3_path}/checkpoints/last: read ckpt-' in capsys.readouterr().err
    (after,) = store.list_entries()
    assert (after.status, after.fencing_token) == (Status.SUCCESS, 2)
    assert after.run_seconds > row.run_seconds
