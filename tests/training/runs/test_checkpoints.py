"""Checkpoint files: whole or not there."""

import os
import signal
import subprocess
import sys

import numpy as np
import pytest

from ssd_training.errors import CheckpointError, RunError
from ssd_training.runs.checkpoints import (
    Checkpoint,
    copy_checkpoint,
    list_steps,
    Position,
    prune,
    read_checkpoint,
    write_checkpoint,
)
from tests.patience import patience_s

ARRAYS = {
    'model/head_0_box/kernel': np.arange(12, dtype=np.float32).reshape(3, 4),
    'optimizer/num_updates': np.array(7, np.int64),
    'average/weights/empty': np.zeros((0, 4), np.float32),
}


def checkpoint_at(step, **changes):
    position = Position(step=step, epochs_done=1, seed=3, loss_sums={'train/loss': 0.1})
    return Checkpoint(position, {'input_size': [96, 96]}, 'f' * 12, 'd' * 64, ARRAYS | changes)


def test_what_is_read_is_what_was_written(tmp_path):
    written = checkpoint_at(5)

    write_checkpoint(tmp_path, written)
    read = read_checkpoint(tmp_path, 5)

    for name in ('position', 'architecture', 'fingerprint', 'data_sha256'):
        assert getattr(read, name) == getattr(written, name)
    assert read.arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(read.arrays[name], array)
        assert read.arrays[name].dtype == array.dtype


def test_a_checkpoint_cut_off_at_any_length_is_seen(tmp_path):
    path = write_checkpoint(tmp_path, checkpoint_at(5))
    content = path.read_bytes()

    for length in range(0, len(content), 97):
        path.write_bytes(content[:length])
        with pytest.raises(CheckpointError, match=r'ckpt-5\.npz: cut off or damaged'):
            read_checkpoint(tmp_path, 5)


def test_a_checkpoint_with_other_content_under_a_valid_zip_is_seen(tmp_path):
    path = write_checkpoint(tmp_path, checkpoint_at(5))
    with np.load(path) as archive:
        arrays = dict(archive)
    arrays['model/head_0_box/kernel'] = arrays['model/head_0_box/kernel'] + 1
    with path.open('wb') as file:
        np.savez(file, **arrays)

    with pytest.raises(CheckpointError, match='SHA-256 is not that of what was written'):
        read_checkpoint(tmp_path, 5)


@pytest.mark.parametrize('change', ['name', 'dtype', 'shape'])
def test_equal_bytes_under_another_name_type_or_shape_are_seen(tmp_path, change):
    path = write_checkpoint(tmp_path, checkpoint_at(5))
    with np.load(path) as archive:
        arrays = dict(archive)
    name = next(key for key in arrays if key.endswith('head_0_box/kernel'))
    kernel = arrays.pop(name)
    changed = {'dtype': kernel.view(np.int32), 'shape': kernel.reshape(4, 3)}.get(change, kernel)
    arrays[name.replace('_0_', '_1_') if change == 'name' else name] = changed
    with path.open('wb') as file:
        np.savez(file, **arrays)

    with pytest.raises(CheckpointError, match='SHA-256 is not that of what was written'):
        read_checkpoint(tmp_path, 5)


def test_a_state_with_nan_is_not_kept_and_the_one_before_is(tmp_path):
    write_checkpoint(tmp_path, checkpoint_at(4))
    broken = checkpoint_at(5, **{'average/weights/kernel': np.array([1, np.nan], np.float32)})

    with pytest.raises(CheckpointError, match='step 5: 1 variables hold NaN.*average/weights/ker'):
        write_checkpoint(tmp_path, broken)

    assert os.listdir(tmp_path) == ['ckpt-4.npz']


def test_on_a_full_disk_the_checkpoint_before_stays_and_the_message_says_so(tmp_path):
    write_checkpoint(tmp_path, checkpoint_at(4))
    # Whatever is written there fails as it does on a full disk.
    (tmp_path / '.ckpt-5.npz.partial').symlink_to('/dev/full')

    with pytest.raises(RunError, match=r'ckpt-5\.npz: .*No space left on device.*--resume'):
        write_checkpoint(tmp_path, checkpoint_at(5))

    assert os.listdir(tmp_path) == ['ckpt-4.npz']
    read_checkpoint(tmp_path, 4)


def test_a_kill_while_writing_leaves_a_whole_checkpoint(tmp_path):
    """Each of ten processes is killed at another moment of its endless writing."""
    code = (
        'import sys, numpy as np\n'
        'from pathlib import Path\n'
        'from ssd_training.runs.checkpoints import *\n'
        'step = int(sys.argv[2])\n'
        'while True:\n'
        '    step += 1\n'
        '    array = np.full((300, 1000), step, np.float32)\n'
        "    write_checkpoint(Path(sys.argv[1]), Checkpoint(Position(step), {}, '', '', "
        "{'model/a': array}))\n"
        '    prune(Path(sys.argv[1]), keep=1)\n'
        '    print(step, flush=True)\n'
    )
    step = 0
    for number in range(10):
        process = subprocess.Popen(
            [sys.executable, '-c', code, str(tmp_path), str(step)], stdout=subprocess.PIPE
        )
        for _ in range(1 + number):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=patience_s())

        step = list_steps(os.listdir(tmp_path))[-1]
        np.testing.assert_array_equal(read_checkpoint(tmp_path, step).arrays['model/a'], step)


def test_the_newest_stay_and_leftovers_of_a_kill_go(tmp_path):
    for step in (9, 10, 11):
        write_checkpoint(tmp_path, checkpoint_at(step))
    (tmp_path / '.ckpt-12.npz.partial').write_bytes(b'PK')

    prune(tmp_path, keep=2)

    assert sorted(os.listdir(tmp_path)) == ['ckpt-10.npz', 'ckpt-11.npz']


def test_a_copy_is_whole_and_outlives_the_original(tmp_path):
    write_checkpoint(tmp_path / 'best', checkpoint_at(5))

    copy_checkpoint(tmp_path / 'best', 5, tmp_path / 'last')
    copy_checkpoint(tmp_path / 'best', 5, tmp_path / 'last')
    (tmp_path / 'best/ckpt-5.npz').unlink()

    assert os.listdir(tmp_path / 'last') == ['ckpt-5.npz']
    read_checkpoint(tmp_path / 'last', 5)
