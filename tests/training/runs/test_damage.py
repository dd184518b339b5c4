"""Run folders with changed bytes: an error in words, the file before, or the same content."""

import json
import logging
import os
import shutil

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.errors import SsdDetectorError
from ssd_training.errors import CheckpointError, RunError
from ssd_training.runs.checkpoint_source import find_run, open_source
from ssd_training.runs.checkpoints import (
    Checkpoint,
    Position,
    read_checkpoint,
    write_checkpoint,
)
from ssd_training.runs.files import read_json, write_json
from ssd_training.runs.finished_run import finished_weights, hash_weights, read_finished_run
from ssd_training.runs.folder import RunFolder
from ssd_training.runs.layout import read_status

ARRAYS = {'model/kernel': np.arange(6, dtype=np.float32), 'optimizer/n': np.array(7, np.int64)}
FINGERPRINT = 'a' * 12


@pytest.fixture(scope='module')
def whole(load, tmp_path_factory):
    """Make a small run that ended well."""
    root = tmp_path_factory.mktemp('whole')
    folder = RunFolder.create(load('tiny', f'run.root={root}'), FINGERPRINT, {})
    for step in (10, 20):
        position = Position(step, loss_sums={'train/loss': 0.5}, best_metric=0.1, best_step=20)
        checkpoint = Checkpoint(position, {'data.labels': ['a']}, FINGERPRINT, 'd' * 64, ARRAYS)
        write_checkpoint(folder.last, checkpoint)
    write_checkpoint(folder.best, checkpoint)
    with folder.running():
        folder.add_metrics(20, {'train/loss': 0.5})
        for name in ('final_weights', 'best_weights'):
            (folder.path / f'weights/{name}.weights.h5').write_bytes(name.encode())
        summary = {'weights_sha256': hash_weights(folder.path)}
        write_json(folder.path / 'training_summary.json', summary)
    return folder.path


def copy_of(whole, tmp_path_factory):
    root = tmp_path_factory.mktemp('copy')
    return shutil.copytree(whole, root / whole.name)


@pytest.fixture
def run(whole, tmp_path_factory):
    return copy_of(whole, tmp_path_factory)


def other_bytes(content):
    """Draw what may have become of a file: a changed byte, a cut, other JSON."""
    places = st.integers(0, len(content) - 1)
    flipped = st.tuples(places, st.integers(1, 255)).map(
        lambda change: (
            content[: change[0]]
            + bytes([content[change[0]] ^ change[1]])
            + content[change[0] + 1 :]
        )
    )
    json_like = st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3) | st.just('step'),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(), inner, max_size=2),
        max_leaves=4,
    )
    return (
        flipped
        | places.map(lambda length: content[:length])
        | json_like.map(lambda tree: json.dumps(tree).encode())
        | st.just(b'[' * 100_000)
    )


@given(data=st.data())
def test_instead_of_a_changed_checkpoint_the_one_before_is_read(whole, tmp_path_factory, data):
    run = copy_of(whole, tmp_path_factory)
    newest = run / 'checkpoints/last/ckpt-20.npz'
    newest.write_bytes(data.draw(other_bytes(newest.read_bytes())))

    found = open_source(str(run)).checkpoint

    # Not every byte of a zip file matters: that of a time does not.
    assert found.position.step in (10, 20)
    np.testing.assert_array_equal(found.arrays['model/kernel'], ARRAYS['model/kernel'])


@given(data=st.data())
def test_each_reader_of_a_changed_run_folder_succeeds_or_says_why(whole, tmp_path_factory, data):
    run = copy_of(whole, tmp_path_factory)
    files = sorted(path for path in run.rglob('*') if path.is_file() and path.stat().st_size)
    path = data.draw(st.sampled_from(files), label='file')
    path.write_bytes(data.draw(other_bytes(path.read_bytes())))
    readers = (
        lambda: open_source(str(run)),
        lambda: read_checkpoint(run / 'checkpoints/best', 20),
        lambda: find_run(run.parent, FINGERPRINT, {}),
        lambda: find_run(run.parent, 'b' * 12, {}),
        lambda: read_finished_run(run),
        lambda: RunFolder.open(run, {}).forget_metrics_after(5),
    )

    for read in readers:
        try:
            read()
        except SsdDetectorError as error:
            assert str(run.parent) in str(error)


@pytest.mark.parametrize('content', ['[]', '{"a": 1}', '{"status": 3}', '[[[', '\x00', 'null'])
def test_a_status_that_is_none_is_unknown(run, content):
    (run / 'status.json').write_text(content)

    assert read_status(run) == 'unknown'
    with pytest.raises(RunError, match='status is unknown'):
        read_finished_run(run)


def test_a_history_that_is_none_is_set_aside_and_starts_anew(run, caplog):
    logging.getLogger('ssd_training').propagate = True
    (run / 'metric_history.json').write_text('{"a": 1}')

    folder = RunFolder.open(run, {})
    folder.add_metrics(30, {'train/loss': 0.25})

    (entry,) = read_json(run / 'metric_history.json')
    assert entry['step'] == 30
    assert read_json(run / 'metric_history.damaged.json') == {'a': 1}
    assert 'list; received ' in caplog.text
    assert 'the history starts anew' in caplog.text


def test_weights_with_a_changed_byte_are_not_used(run):
    weights = run / 'weights/final_weights.weights.h5'
    assert finished_weights(run) == weights
    weights.write_bytes(weights.read_bytes()[:-1] + b'\xff')

    with pytest.raises(RunError, match='its SHA-256 is not that in training_summary.json'):
        finished_weights(run)


def test_a_pipe_in_the_place_of_a_file_holds_nothing_up(run):
    for name in ('checkpoints/last/ckpt-20.npz', 'status.json', 'metric_history.json'):
        (run / name).unlink()
        os.mkfifo(run / name)

    assert open_source(str(run)).checkpoint.position.step == 10
    assert read_status(run) == 'unknown'
    with pytest.raises(RunError, match='is no regular file'):
        read_json(run / 'metric_history.json')


def test_a_checkpoint_that_would_inflate_is_not_read(run):
    path = run / 'checkpoints/last/ckpt-20.npz'
    with path.open('wb') as file:
        np.savez_compressed(file, zeros=np.zeros(10_000_000, np.uint8))

    with pytest.raises(CheckpointError, match='its members claim 10000'):
        read_checkpoint(path.parent, 20)
    assert path.stat().st_size < 100_000


def test_a_large_json_file_is_not_read(run):
    with (run / 'status.json').open('wb') as file:
        file.truncate(10**11)

    with pytest.raises(RunError, match='has 100000 MB, at most 67 MB are read'):
        read_json(run / 'status.json')
