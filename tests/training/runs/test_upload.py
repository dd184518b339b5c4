"""A copy of the run folder elsewhere, in the background."""

import json
import logging
import os
import socket
import threading

import fsspec
import pytest
import s3fs

from ssd_detector.errors import SsdDetectorError
from ssd_training.errors import InterruptedRun, RunError, StoreError, UploadError
from ssd_training.runs import storage
from ssd_training.runs import upload as upload_module
from ssd_training.runs.checkpoint_source import open_source
from ssd_training.runs.remote.manifest import sort_names
from ssd_training.runs.remote.snapshot import take_snapshot
from ssd_training.runs.upload import Upload
from tests.training.small_run import make_run, train_to


@pytest.fixture(autouse=True)
def propagated():
    logging.getLogger('ssd_training').propagate = True


@pytest.fixture(autouse=True)
def no_thread_is_left_behind():
    """One that goes on asking a store that is not there asks that of the next training."""
    before = set(threading.enumerate())
    yield
    for thread in set(threading.enumerate()) - before:
        if thread.name == 'upload':
            thread.join(20)
            assert not thread.is_alive()


@pytest.fixture
def run(tmp_path):
    return make_run(tmp_path / 'run', 10, 20)


@pytest.fixture
def store():
    filesystem = fsspec.filesystem('memory')
    yield filesystem
    filesystem.rm('/', recursive=True)


def upload_of(run, target='memory://runs', **options):
    return Upload(run, target, **{'keep': 2, **options})


def send(upload):
    """Upload the run as it is, wait for it, and go on."""
    with upload.at_the_end():
        pass


def names_in(store, folder=''):
    prefix = f'/runs/run/{folder}'
    return {name.removeprefix(prefix) for name in store.find(f'/runs/run/{folder}')}


def manifests_in(store):
    names = [name.text for name in sort_names(names_in(store, 'manifests/'))]
    return [json.loads(store.cat(f'/runs/run/manifests/{name}')) for name in names]


def test_the_start_sends_what_is_known_then(run, store):
    upload_of(run).send_start()

    assert names_in(store) == {'status.json', 'config.json', 'metric_history.json'}


def test_files_go_first_with_the_newest_checkpoint_then_the_manifest_and_last_the_status(
    run, store
):
    send(upload_of(run))

    files = sorted(store.find('/runs', detail=True).values(), key=lambda file: file['created'])
    order = [file['name'].removeprefix('/runs/run/') for file in files]
    assert order[0].startswith('objects/') and order[0].endswith('_ckpt-20.npz')
    assert order[-2].startswith('manifests/00000001_step_20_token_none_')
    assert order[-1] == 'status.json'


def test_a_manifest_names_what_a_training_goes_on_with_and_logs_are_beside(run, store):
    send(upload_of(run))

    (manifest,) = manifests_in(store)
    assert (manifest['step'], manifest['epoch'], manifest['fencing_token']) == (20, 2, None)
    assert {file['name'] for file in manifest['files']} == {
        *('status.json', 'config.json', 'metric_history.json'),
        *('checkpoints/last/ckpt-20.npz', 'checkpoints/best/ckpt-10.npz'),
        'weights/best_weights.weights.h5',
    }
    shown = names_in(store, 'logs/start/')
    assert shown == {'training.log', 'tensorboard/events.out.tfevents.1'}


def test_the_summary_at_the_end_is_there_as_a_file_and_in_the_manifest(run, store):
    (run / 'training_summary.json').write_text('{"best_step": 10}')
    (run / 'weights/final_weights.weights.h5').write_bytes(b'final')

    send(upload_of(run))

    names = {file['name'] for file in manifests_in(store)[0]['files']}
    assert {'training_summary.json', 'weights/final_weights.weights.h5'} <= names
    assert store.cat('/runs/run/training_summary.json') == b'{"best_step": 10}'


def test_only_what_is_new_is_sent(run, store):
    upload = upload_of(run)
    send(upload)
    before = store.find('/runs', detail=True)
    train_to(run, 30)

    send(upload)

    after = store.find('/runs', detail=True)
    sent = {name for name, file in after.items() if file != before.get(name)}
    assert {name.rpartition('_')[2] for name in sent if '/objects/' in name} == {
        'ckpt-30.npz',
        'history.json',
    }
    assert '/runs/run/config.json' not in sent


def test_the_newest_uploads_and_the_best_checkpoint_stay_and_all_else_goes(run, store):
    upload = upload_of(run)
    for step in (30, 40, 50):
        train_to(run, step)
        send(upload)

    assert [manifest['step'] for manifest in manifests_in(store)] == [50, 40]
    objects = names_in(store, 'objects/')
    assert {name.partition('_')[2] for name in objects if 'ckpt' in name} == {
        *('ckpt-50.npz', 'ckpt-40.npz', 'ckpt-10.npz')
    }
    needed = {
        f'{file["sha256"][:16]}_{file["name"].rpartition("/")[2]}'
        for manifest in manifests_in(store)
        for file in manifest['files']
    }
    assert objects == needed


def test_what_was_uploaded_is_gone_on_with_and_an_earlier_step_on_demand(run, store):
    upload = upload_of(run)
    send(upload)
    train_to(run, 30)
    send(upload)

    source = open_source('memory://runs/run')

    assert source.checkpoint.position.step == 30
    assert source.run.fetch('metric_history.json', run).read_text().count('"step"') == 3
    assert source.run.fetch('checkpoints/best/ckpt-10.npz', run).is_file()
    for address in ('memory://runs/run/checkpoints/last/ckpt-20', 'memory://runs/run/'):
        step = None if 'ckpt' in address else 20
        assert open_source(address, step).checkpoint.position.step == 20
    with pytest.raises(RunError, match='has no ckpt-25; there are 20, 30'):
        open_source('memory://runs/run', 25)


def test_everything_is_sent_when_a_signal_ends_the_block_and_the_signal_counts(run, store):
    with pytest.raises(InterruptedRun), upload_of(run).at_the_end():
        raise InterruptedRun(15, 'SIGTERM: stopped')

    assert [manifest['step'] for manifest in manifests_in(store)] == [20]


def test_a_run_without_a_checkpoint_tells_how_it_ended_and_has_no_manifest(tmp_path, store):
    run = make_run(tmp_path / 'run')

    send(upload_of(run))

    assert names_in(store) == {
        *('status.json', 'config.json'),
    }


def test_what_waits_is_what_the_run_folder_held_then(run, store, silent_s3):
    """The training prunes, replaces and appends while an upload waits."""
    upload = upload_of(run, 's3://checkpoints')
    upload.hand_over()
    with upload._changed:
        upload._changed.wait_for(lambda: upload._in_progress is not None, 30)
    upload.hand_over()
    snapshot = upload._waiting[0]
    train_to(run, 30, keep=1)

    contents = {piece.name: piece.path.read_bytes() for piece in snapshot.kept + snapshot.shown}
    assert contents['logs/start/training.log'] == b'step 10\nstep 20\n'
    assert b'"step": 30' not in contents['metric_history.json']
    assert contents['checkpoints/last/ckpt-20.npz'].startswith(b'PK')
    upload.call_off()


def test_snapshots_that_go_meanwhile_do_not_disturb_the_next_one(run, monkeypatch):
    first = take_snapshot(run, 1)
    scan = os.scandir

    def scan_late(path='.'):
        if not isinstance(path, int) and os.path.basename(path) == '1':
            # As the thread does that has sent it.
            first.discard()
        return scan(path)

    monkeypatch.setattr(os, 'scandir', scan_late)

    second = take_snapshot(run, 2)

    assert [piece.name for piece in second.kept] == [piece.name for piece in first.kept]
    assert not any('.upload' in piece.name for piece in second.kept + second.shown)


def test_what_a_kill_has_left_behind_is_deleted_at_the_next_start(run, store):
    (run / '.upload/7').mkdir(parents=True)

    upload_of(run).send_start()

    assert not (run / '.upload').exists()


@pytest.fixture
def silent_s3(monkeypatch):
    """Accept connections, and never answer."""
    with socket.create_server(('127.0.0.1', 0)) as server:
        monkeypatch.setenv('AWS_ENDPOINT_URL', f'http://127.0.0.1:{server.getsockname()[1]}')
        for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
            monkeypatch.setenv(name, 'nobody')
        monkeypatch.setenv('AWS_DEFAULT_REGION', 'us-east-1')
        s3fs.S3FileSystem.clear_instance_cache()
        yield
    s3fs.S3FileSystem.clear_instance_cache()


def test_a_training_never_waits_for_a_store_that_does_not_answer_and_the_newest_upload_wins(
    run, silent_s3, monkeypatch, caplog
):
    monkeypatch.setattr(upload_module, '_AFTER_SIGNAL_S', 1.0)
    monkeypatch.setattr(upload_module, '_GRACE_S', 0.1)
    caplog.set_level(logging.INFO, 'ssd_training')
    upload = upload_of(run, 's3://checkpoints')

    with pytest.raises(InterruptedRun), upload.at_the_end():
        for step in (30, 40, 50):
            train_to(run, step)
            upload.hand_over()
            with upload._changed:
                upload._changed.wait_for(lambda: upload._in_progress is not None, 30)
        raise InterruptedRun(15, 'SIGTERM: stopped')

    assert 'run: step 40 is not sent: step 50 is newer' in caplog.text
    missing = (
        'step 50 is not complete: 6 of 6 files are missing there: checkpoints/last/ckpt-50.npz'
    )
    assert missing in caplog.text
    assert 's3://checkpoints/run/objects: can not be listed (no answer within ' in caplog.text
    assert not list((run / '.upload').iterdir())


def test_such_a_store_has_one_deadline_for_all_attempts(run, silent_s3, monkeypatch):
    monkeypatch.setattr(upload_module, '_START_S', 1.0)
    monkeypatch.setattr(storage, 'ANSWER_S', 1.0)
    monkeypatch.setattr('ssd_training.runs.remote.download.ANSWER_S', 1.0)

    with pytest.raises(StoreError, match='config.json: can not be uploaded .* after 1 s'):
        upload_of(run, 's3://checkpoints').send_start()
    with pytest.raises(StoreError, match='can not be listed .* given up after 1 s'):
        open_source('s3://checkpoints/run')


class ClaimLostError(SsdDetectorError):
    pass


def refuse():
    raise ClaimLostError('the lease of this machine is over')


def test_a_machine_whose_claim_is_lost_publishes_nothing_and_its_own_error_ends_it(
    run, store, caplog
):
    upload = upload_of(run, may_write=refuse, fencing_token=3)

    upload.hand_over()
    with pytest.raises(ClaimLostError, match='the lease of this machine is over'):
        send(upload)

    assert names_in(store) == set()


def test_a_claim_that_is_lost_while_files_are_sent_publishes_nothing(run, store):
    answers = iter([None, refuse])
    upload = upload_of(run, may_write=lambda: (next(answers) or bool)())

    with pytest.raises(ClaimLostError):
        send(upload)

    assert names_in(store, 'objects/') and not names_in(store, 'manifests/')


def test_an_upload_under_an_older_claim_is_never_preferred_however_late_it_is(
    tmp_path, run, store
):
    """A machine was paused past its lease, wakes up and goes on to write."""
    stale = upload_of(run, fencing_token=3)
    send(stale)
    elsewhere = make_run(tmp_path / 'elsewhere/run', 10, 20)
    train_to(elsewhere, 30)
    send(upload_of(elsewhere, fencing_token=4))
    train_to(run, 40)
    train_to(run, 50)

    send(stale)

    assert open_source('memory://runs/run').checkpoint.position.step == 30
    # What the newer claim keeps is not the older one's to delete.
    assert {manifest['step'] for manifest in manifests_in(store)} == {20, 30, 50}


def test_uploads_of_one_claim_are_ordered_by_their_number_and_not_by_clocks(tmp_path, run, store):
    send(upload_of(run))
    elsewhere = make_run(tmp_path / 'elsewhere/run', 10)
    send(upload_of(elsewhere))

    assert [manifest['sequence'] for manifest in manifests_in(store)] == [2, 1]
    assert open_source('memory://runs/run').checkpoint.position.step == 10


@pytest.fixture
def closed(run, tmp_path):
    """Make a store that takes nothing: a file stands where its folder would be."""
    (tmp_path / 'closed').write_text('')
    return upload_of(run, f'file://{tmp_path}/closed')


def test_a_store_that_takes_nothing_is_an_error_before_the_training_and_after_it(closed, run):
    with pytest.raises(RunError, match='closed/run/config.json: can not be uploaded'):
        closed.send_start()
    with pytest.raises(UploadError) as caught:
        send(closed)

    missing, advice = caught.value.findings
    assert 'run: step 20 is not complete: 6 of 6 files are missing there: checkpoints/' in missing
    assert advice == f'the run is complete: {run}; copy it yourself'


def test_behind_a_failure_such_a_store_is_logged_and_hides_nothing(closed, caplog):
    with pytest.raises(RunError, match='the loss is nan'), closed.at_the_end():
        raise RunError(['step 4: the loss is nan'])

    assert 'ckpt-20.npz: can not be uploaded' in caplog.text


def test_a_full_disk_there_is_one_sentence_and_does_not_stop_the_training(run, tmp_path, caplog):
    (tmp_path / 'full/run').mkdir(parents=True)
    for name in ('config.json', 'metric_history.json'):
        (tmp_path / 'full/run' / name).symlink_to('/dev/full')
    upload = upload_of(run, f'file://{tmp_path}/full')

    with pytest.raises(StoreError, match='No space left on device.*; make room'):
        upload.send_start()
    with pytest.raises(UploadError, match='No space left on device'):
        send(upload)


def test_a_full_disk_here_skips_an_upload_and_says_so(run, store, caplog):
    (run / '.upload').write_text('no folder can be made here')

    upload_of(run).hand_over()

    assert f'{run}: can not be uploaded now (' in caplog.text


def test_a_name_without_protocol_is_a_bucket_of_s3(run, bucket):
    send(upload_of(run, 'checkpoints/deep'))

    assert open_source('s3://checkpoints/deep/run').checkpoint.position.step == 20
    found = bucket.list_objects_v2(Bucket='checkpoints', Prefix='deep/run/')['Contents']
    folders = {item['Key'].split('/')[2] for item in found}
    assert folders >= {'manifests', 'objects', 'logs', 'status.json'}


def test_a_bucket_that_is_not_there_is_one_sentence_with_advice(run, bucket):
    with pytest.raises(StoreError, match='s3://nobodys/run/config.json: can not be .*; make the'):
        upload_of(run, 'nobodys').send_start()
    with pytest.raises(StoreError, match='s3://nobodys/run/manifests: can not be listed .*; make'):
        open_source('s3://nobodys/run')


def test_without_credentials_is_one_sentence_with_advice(run, bucket, monkeypatch, tmp_path):
    for name in ('AWS_ACCESS_KEY_ID', 'AWS_SECRET_ACCESS_KEY'):
        monkeypatch.delenv(name)
    monkeypatch.setenv('AWS_EC2_METADATA_DISABLED', 'true')
    monkeypatch.setenv('AWS_SHARED_CREDENTIALS_FILE', str(tmp_path / 'none'))
    monkeypatch.setenv('AWS_CONFIG_FILE', str(tmp_path / 'none'))
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(StoreError, match='(?i)credentials.*; set AWS_ACCESS_KEY_ID and'):
            upload_of(run, 'checkpoints').send_start()
    finally:
        s3fs.S3FileSystem.clear_instance_cache()


def test_a_server_that_is_not_there_is_an_error_in_a_sentence(run, bucket, monkeypatch):
    # Nothing listens on port 1.
    monkeypatch.setenv('AWS_ENDPOINT_URL', 'http://127.0.0.1:1')
    monkeypatch.setattr(upload_module, '_START_S', 4.0)
    s3fs.S3FileSystem.clear_instance_cache()
    try:
        with pytest.raises(StoreError, match='config.json: can not be uploaded .*127.0.0.1:1'):
            upload_of(run, 'checkpoints').send_start()
    finally:
        s3fs.S3FileSystem.clear_instance_cache()


def test_a_fault_in_the_thread_neither_ends_the_training_nor_goes_unsaid(run, store, monkeypatch):
    upload = upload_of(run)
    monkeypatch.setattr(upload._publisher, 'publish', lambda *_: 1 / 0)

    with pytest.raises(UploadError, match='ZeroDivisionError'):
        send(upload)
