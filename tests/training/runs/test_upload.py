"""A copy of the run folder elsewhere: in memory, as fsspec has it; S3 is in test_commands."""

import logging
from pathlib import Path

import fsspec
import pytest
import s3fs

from ssd_training.errors import InterruptedRun, RunError
from ssd_training.runs.checkpoint_source import open_source
from ssd_training.runs.checkpoints import Checkpoint, Position, write_checkpoint
from ssd_training.runs.upload import Upload


@pytest.fixture
def run(tmp_path):
    """Make a run folder with the checkpoints 10 and 20."""
    path = tmp_path / 'run'
    for step in (10, 20):
        checkpoint = Checkpoint(Position(step), {}, 'f' * 12, '', {})
        write_checkpoint(path / 'checkpoints/last', checkpoint)
    for name in ('status.json', 'config.json', '.lock'):
        (path / name).write_text('{}')
    return path


@pytest.fixture
def store():
    filesystem = fsspec.filesystem('memory')
    yield filesystem
    filesystem.rm('/', recursive=True)


def names_in(store, prefix='/runs/run/'):
    return {name.removeprefix(prefix) for name in store.find('/runs')}


def test_the_start_sends_what_is_known_then(run, store):
    Upload(run, 'memory://runs').send_start()

    assert names_in(store) == {'status.json', 'config.json'}


def test_the_newest_checkpoint_goes_first_and_the_status_last(run, store):
    with Upload(run, 'memory://runs/').at_the_end():
        pass

    files = sorted(store.find('/runs', detail=True).values(), key=lambda file: file['created'])
    order = [file['name'].rpartition('/')[2] for file in files]
    assert order == ['ckpt-20.npz', 'ckpt-10.npz', 'config.json', 'status.json']


def test_what_was_uploaded_is_found_and_what_is_kept_no_longer_is_deleted(run, store):
    upload = Upload(run, 'memory://runs')
    with upload.at_the_end():
        pass
    (run / 'checkpoints/last/ckpt-10.npz').unlink()

    with upload.at_the_end():
        pass

    assert open_source('memory://runs/run').checkpoint.position.step == 20
    assert 'checkpoints/last/ckpt-10.npz' not in names_in(store)


def test_everything_is_sent_when_a_signal_ends_the_block_and_the_signal_counts(run, store):
    with pytest.raises(InterruptedRun), Upload(run, 'memory://runs').at_the_end():
        raise InterruptedRun(15, 'SIGTERM: stopped')

    assert 'checkpoints/last/ckpt-20.npz' in names_in(store)


@pytest.fixture
def closed(run, tmp_path):
    """Make a store that takes nothing: a file stands where its folder would be."""
    (tmp_path / 'closed').write_text('')
    return Upload(run, f'file://{tmp_path}/closed')


def test_a_store_that_takes_nothing_is_an_error_before_the_training_and_after_it(closed, run):
    with pytest.raises(RunError, match='closed/run/config.json: can not be uploaded'):
        closed.send_start()
    with pytest.raises(RunError, match=f'the run is complete: {run}; copy it'):
        with closed.at_the_end():
            pass


def test_behind_a_failure_such_a_store_is_logged_and_hides_nothing(closed, caplog):
    logging.getLogger('ssd_training').propagate = True

    with pytest.raises(RunError, match='the loss is nan'), closed.at_the_end():
        raise RunError(['step 4: the loss is nan'])

    assert 'ckpt-20.npz: can not be uploaded' in caplog.text


def test_a_name_without_protocol_is_a_bucket_of_s3(run, bucket):
    Upload(run, 'checkpoints/deep').send_start()

    found = bucket.list_objects_v2(Bucket='checkpoints', Prefix='deep/')['Contents']
    assert {Path(item['Key']).name for item in found} == {'status.json', 'config.json'}
    with pytest.raises(RunError, match='s3://nobodys/run/config.json: can not be uploaded'):
        Upload(run, 'nobodys').send_start()


def test_a_server_that_is_not_there_is_an_error_in_a_sentence(run, bucket, monkeypatch):
    # Nothing listens on port 1.
    monkeypatch.setenv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(RunError, match='config.json: can not be uploaded .*127.0.0.1:1'):
            Upload(run, 'checkpoints').send_start()
    finally:
        s3fs.S3FileSystem.clear_instance_cache()
