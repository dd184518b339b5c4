"""Where a claimed experiment goes on, and what of its run the ledger is told."""

import json
import logging
import shutil
import subprocess
import sys

import pytest

from ssd_training.ledger.leases.lease import Result
from ssd_training.ledger.trainings.going_on import find_source, Places, read_result
from ssd_training.runs.upload import Upload
from tests.training.ledger.experiments import make_entry
from tests.training.small_run import make_run, train_to


def test_a_result_has_the_best_metric_its_epoch_and_where_the_run_is(tmp_path):
    summary = {'best_metric': 0.62, 'best_step': 40, 'global_step': 60}
    history = [{'step': 20 * epoch, 'epoch': epoch, 'timestamp': ''} for epoch in (1, 2, 3)]
    (tmp_path / 'training_summary.json').write_text(json.dumps(summary))
    (tmp_path / 'metric_history.json').write_text(json.dumps(history))

    result = read_result(Places(tmp_path, 's3://bucket/runs/exp_0123'))

    assert result == Result('s3://bucket/runs/exp_0123', 0.62, 2, 60)


@pytest.fixture
def places(tmp_path):
    """Name places in which nothing is yet."""
    return Places(tmp_path / 'exp', f'file://{tmp_path}/store/exp')


def train_here(places, step):
    run = places.folder if places.folder.is_dir() else make_run(places.folder)
    train_to(run, step)
    return run


def send(places, step):
    run = train_here(places, step)
    with Upload(run, places.address.rpartition('/')[0], keep=2).at_the_end():
        pass


def test_a_first_start_goes_on_from_nothing_in_silence(places, caplog):
    logging.getLogger('ssd_training').propagate = True
    assert find_source(make_entry(), places) is None
    assert not caplog.records


def test_what_is_here_needs_no_name(places):
    train_here(places, 30)
    entry = make_entry(checkpoint_s3_path=str(places.folder), total_steps=30)
    assert find_source(entry, places) is None


def test_the_copy_elsewhere_counts_where_it_is_farther(places):
    send(places, 20)
    shutil.rmtree(places.folder)
    entry = make_entry(checkpoint_s3_path=places.address, total_steps=20)
    assert find_source(entry, places) == places.address
    train_here(places, 10)
    assert find_source(entry, places) == places.address
    train_here(places, 40)
    assert find_source(entry, places) is None


def test_an_upload_counts_also_where_the_ledger_was_not_told(places):
    send(places, 20)
    shutil.rmtree(places.folder)
    assert find_source(make_entry(), places) == places.address


def test_a_checkpoint_in_a_folder_of_another_machine_is_missed_aloud(places, caplog):
    logging.getLogger('ssd_training').propagate = True
    entry = make_entry(checkpoint_s3_path='/home/other/runs/exp', total_steps=20)
    assert find_source(entry, places) is None
    assert 'checkpoint of step 20, in /home/other/runs/exp, is not to be had here' in caplog.text


def test_a_ledger_in_a_file_needs_no_boto3_and_help_no_tensorflow():
    code = (
        'import sys, ssd_training.ledger.commands, ssd_training.ledger.trainings.tracking\n'
        'sys.exit(bool({"boto3", "botocore", "tensorflow", "keras"} & set(sys.modules)))'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
