"""Recordings are made of data sets bent at any place: an error of ours or success, bounded."""

import contextlib
import os
from pathlib import Path
import tempfile

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ssd_detector_ros.bag_evaluation.making.making import Layout, make_recording
from ssd_detector_ros.bag_evaluation.making.sources import open_source
from tests.bent_data_sets import (
    coco,
    coco_tree,
    encoded,
    Files,
    numbers,
    voc,
    with_bent_file,
    words,
    write,
)
from tests.fuzzing import bent_tree, fuzzed, Sandbox, texts

pytestmark = pytest.mark.fuzz


def make(files: Files) -> None:
    """Make a recording of a data set, in the process with limits."""
    is_coco = 'train.json' in files
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as out:
        root = Path(folder)
        write(files, root)
        scenes = open_source(
            root / 'train.json' if is_coco else root,
            split=None if is_coco else 'train',
            images=root / 'images' if is_coco else None,
        )
        bag = Path(out, 'bag')
        # What is refused leaves nothing behind.
        with contextlib.ExitStack() as when_refused:
            when_refused.callback(lambda: must_be_absent(bag))
            make_recording(scenes, bag, Layout())
            when_refused.pop_all()


def must_be_absent(path: Path) -> None:
    assert not os.path.lexists(path)


@pytest.fixture(scope='module')
def sandbox():
    one = Sandbox('tests.bags.test_fuzz_making:make', memory_mb=300, timeout_s=10.0)
    yield one
    one.close()


def test_good_data_sets_become_recordings(sandbox):
    assert [sandbox.run(files) for files in (voc(), coco())] == ['', '']


@fuzzed
@given(with_bent_file(voc, coco))
def test_any_file_of_a_data_set(sandbox, files):
    sandbox.run(files)


@fuzzed
@given(bent_tree(coco_tree('abcd')))
def test_any_tree_of_coco(sandbox, tree):
    sandbox.run(coco(tree))


@fuzzed
@given(st.lists(texts).map('\n'.join).map(encoded) | st.binary())
def test_any_list_of_voc(sandbox, ids):
    sandbox.run(voc(ids=ids))


@fuzzed
@given(words, numbers | words)
def test_any_text_in_xml(sandbox, label, xmin):
    label, xmin = (text.encode('utf-8', 'replace').decode() for text in (label, xmin))
    sandbox.run(voc(label=label, xmin=xmin))
