"""What is gone on with: the newest upload of which every file is what was sent."""

import json
import logging
import shutil

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.errors import SsdDetectorError
from ssd_training.errors import CheckpointError
from ssd_training.runs.checkpoint_source import open_source
from ssd_training.runs.remote.manifest import Manifest, read_manifest, sort_names, StoredFile
from ssd_training.runs.upload import Upload
from tests.training.small_run import make_run, train_to


@pytest.fixture(scope='module')
def whole(tmp_path_factory):
    """Make a copy that holds two uploads, of the steps 10 and 20."""
    root = tmp_path_factory.mktemp('whole')
    run = make_run(root / 'run')
    upload = Upload(run, f'file://{root}/copies', keep=3)
    for step in (10, 20):
        train_to(run, step)
        with upload.at_the_end():
            pass
    return root / 'copies/run'


@pytest.fixture
def copy(whole, tmp_path):
    return shutil.copytree(whole, tmp_path / 'copy')


def manifest_of(copy, step):
    return next(copy.glob(f'manifests/*_step_{step}_*'))


def object_of(copy, step, name):
    files = json.loads(manifest_of(copy, step).read_text())['files']
    (file,) = (file for file in files if file['name'].endswith(name))
    return copy / 'objects' / f'{file["sha256"][:16]}_{name.rpartition("/")[2]}'


def change(path):
    content = path.read_bytes()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


def cut(path):
    path.write_bytes(path.read_bytes()[:-1])


@pytest.mark.parametrize('spoil', [change, cut, lambda path: path.unlink()])
@pytest.mark.parametrize('name', ['last/ckpt-20.npz', 'metric_history.json', None])
def test_an_upload_that_is_not_whole_is_skipped_with_a_line(copy, caplog, spoil, name):
    logging.getLogger('ssd_training').propagate = True
    spoil(manifest_of(copy, 20) if name is None else object_of(copy, 20, name))

    assert open_source(f'file://{copy}').checkpoint.position.step == 10

    if name is not None:
        assert f'{manifest_of(copy, 20).name}: {name}'.replace('last/', '') in caplog.text.replace(
            'checkpoints/last/', ''
        )
        assert 'going on from step 10 instead' in caplog.text


def test_a_copy_of_a_copy_is_a_path_to_go_on_from(copy):
    assert open_source(str(copy)).checkpoint.position.step == 20


def test_when_no_upload_is_whole_each_is_named(copy):
    for step in (10, 20):
        manifest_of(copy, step).write_text('{}')

    with pytest.raises(CheckpointError, match=r'(?s)_step_20_.*_step_10_'):
        open_source(str(copy))


@given(data=st.data())
def test_whatever_changes_in_a_copy_an_upload_is_gone_on_with_as_it_was_sent(
    whole, tmp_path_factory, data
):
    copy = shutil.copytree(whole, tmp_path_factory.mktemp('changed') / 'copy')
    files = sorted(path for path in copy.rglob('*') if path.is_file() and path.stat().st_size)
    path = data.draw(st.sampled_from(files))
    content = path.read_bytes()
    place = data.draw(st.integers(0, len(content) - 1))
    flipped = content[:place] + bytes([content[place] ^ 16]) + content[place + 1 :]
    path.write_bytes(data.draw(st.sampled_from([flipped, content[:place], b'[]'])))

    try:
        checkpoint = open_source(str(copy)).checkpoint
    except SsdDetectorError:
        # What both uploads need was hit.
        assert path.parent.name == 'objects'
    else:
        step = checkpoint.position.step
        np.testing.assert_array_equal(checkpoint.arrays['model/kernel'], np.full(4, step))


@pytest.mark.parametrize('name', ['../../outside', '/etc/passwd', 'a/../b', 'a//b', '.hidden', ''])
def test_a_manifest_never_leads_out_of_the_run_folder(tmp_path, name):
    manifest = Manifest(1, 10, 1, None, '', (StoredFile(name, 1, 'a' * 64),))
    path = tmp_path / manifest.name
    path.write_bytes(manifest.to_bytes())

    with pytest.raises(CheckpointError, match='cut off or damaged'):
        read_manifest(path)


def test_the_larger_token_comes_first_then_the_later_upload():
    def name(sequence, token):
        return Manifest(sequence, 10, 1, token, '', ()).name

    newest_first = [name(1, 11), name(9, 2), name(3, 0), name(12, None), name(4, None)]

    found = sort_names([*reversed(newest_first), 'other.json', '.partial'])

    assert [manifest_name.text for manifest_name in found] == newest_first
