"""Curves of runs that are elsewhere, against an S3 server."""

import os
from pathlib import Path
import subprocess
import sys
from urllib.request import urlopen

import pytest
from tensorboard.backend.event_processing.event_file_loader import EventFileLoader
import tensorflow as tf

from ssd_training.curves import main
from ssd_training.errors import RunError
from ssd_training.runs.event_copies import EventCopies

RUN = 'runs/smoke_0123456789ab/logs/20260131_120000/tensorboard'


@pytest.fixture
def events(tmp_path):
    """Write an event file, a scalar a call."""
    writer = tf.summary.create_file_writer(str(tmp_path / 'written'))

    def write(step):
        with writer.as_default(step):
            tf.summary.scalar('train/loss', 1.0 / (1 + step))
        writer.flush()
        (path,) = (tmp_path / 'written').glob('*tfevents*')
        return path

    yield write
    writer.close()


@pytest.fixture
def send(bucket):
    """Upload a file, and leave nothing for the next test."""

    def upload(path, name=RUN):
        bucket.upload_file(str(path), 'checkpoints', f'{name}/{path.name}')

    yield upload
    for stored in bucket.list_objects_v2(Bucket='checkpoints').get('Contents', []):
        bucket.delete_object(Bucket='checkpoints', Key=stored['Key'])


def steps_in(path):
    return [event.step for event in EventFileLoader(str(path)).Load() if event.summary.value]


def test_what_grows_there_grows_here_for_who_has_the_file_open(events, send, tmp_path):
    copies = EventCopies('checkpoints/runs', tmp_path / 'here')
    path = events(0)
    send(path)
    assert len(copies.update()) == 1
    here = tmp_path / 'here' / Path(RUN).relative_to('runs') / path.name
    reader = EventFileLoader(str(here))
    assert [event.step for event in reader.Load() if event.summary.value] == [0]

    events(1)
    send(path)
    assert copies.update() == [str(here.relative_to(tmp_path / 'here'))]

    assert [event.step for event in reader.Load() if event.summary.value] == [1]
    assert here.read_bytes() == path.read_bytes()
    assert copies.update() == []


def test_another_file_of_the_same_name_replaces_a_longer_one(events, send, tmp_path):
    copies = EventCopies('s3://checkpoints/runs/', tmp_path / 'here')
    path = events(0)
    shorter = path.read_bytes()
    events(1)
    send(path)
    copies.update()
    path.write_bytes(shorter)
    send(path)
    (name,) = copies.update()
    assert (tmp_path / 'here' / name).read_bytes() == shorter


def test_checkpoints_stay_where_they_are(events, send, tmp_path):
    other = tmp_path / 'ckpt-10.npz'
    other.write_bytes(b'large')
    send(other)
    send(events(0))
    assert ['tfevents' in name for name in EventCopies('checkpoints', tmp_path).update()] == [True]


def test_no_name_leads_out_of_the_folder(bucket, events, send, tmp_path):
    content = events(0).read_bytes()
    for key in ('runs/../../out.tfevents.1', f'runs/{tmp_path}/out.tfevents.2'):
        bucket.put_object(Bucket='checkpoints', Key=key, Body=content)
    here = tmp_path / 'a' / 'b'
    EventCopies('checkpoints/runs', here).update()
    assert [path for path in tmp_path.rglob('out.*') if not path.is_relative_to(here)] == []


def test_nothing_there_yet_is_no_error(bucket, tmp_path):
    assert EventCopies('checkpoints/later', tmp_path).update() == []


def test_a_disk_that_takes_nothing_is_one_sentence(events, send, tmp_path):
    send(events(0))
    (tmp_path / 'here').write_text('a file')
    with pytest.raises(RunError, match=r'here/.*: can not be written \(Not a directory\)'):
        EventCopies('checkpoints', tmp_path / 'here').update()


def test_the_command_copies_once_from_where_the_variables_say(
    events, send, tmp_path, monkeypatch, capsys
):
    send(events(0))
    monkeypatch.setenv('S3_BUCKET', 'checkpoints')
    monkeypatch.setenv('S3_PREFIX', 'runs')
    monkeypatch.setenv('LOCAL_DIR', str(tmp_path / 'here'))
    assert main(['--once']) == 0
    assert len(list((tmp_path / 'here').rglob('*tfevents*'))) == 1


@pytest.mark.parametrize(
    ('arguments', 'code', 'message'),
    [
        ([], 2, 'source: none is given; name it'),
        (['s3://nowhere/runs', '--once'], 1, 's3://nowhere/runs: can not be listed'),
        (['checkpoints', '--interval_s', '0'], 2, '--interval_s: 0 is not a whole number'),
    ],
)
def test_a_wrong_source_is_one_sentence(bucket, monkeypatch, capsys, arguments, code, message):
    for name in ('S3_BUCKET', 'CHECKPOINT_BUCKET'):
        monkeypatch.delenv(name, raising=False)
    try:
        assert main(arguments) == code
    except SystemExit as end:
        assert end.code == code
    assert message in capsys.readouterr().err


@pytest.mark.slow
def test_tensorboard_shows_what_arrives_later(events, send, tmp_path):
    path = events(0)
    send(path)
    command = [sys.executable, '-m', 'ssd_training.curves', 'checkpoints/runs']
    command += ['--local_dir', str(tmp_path / 'here'), '--interval_s', '1', '--port', '16006']
    with subprocess.Popen(command, env={**os.environ, 'CUDA_VISIBLE_DEVICES': ''}) as process:
        try:
            assert points_at(16006, process, at_least=1) == 1
            events(1)
            send(path)
            assert points_at(16006, process, at_least=2) == 2
        finally:
            process.terminate()
    assert process.returncode == 143


def points_at(port, process, *, at_least):
    """Wait until TensorBoard shows that many points; it reloads every five seconds."""
    run = str(Path(RUN).relative_to('runs'))
    address = f'http://127.0.0.1:{port}/data/plugin/scalars/scalars?tag=train/loss&run={run}'
    while process.poll() is None:
        try:
            with urlopen(address, timeout=5) as answer:
                text = answer.read().decode()
        except OSError:
            text = ''
        if text.count('[') - 1 >= at_least:
            return text.count('[') - 1
    raise AssertionError('TensorBoard ended')
