"""Data sets bent at any place: findings, an error of ours or success, within memory and time."""

import json
import os
from pathlib import Path
import tempfile

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ssd_detector.bundles.labels import find_label_faults
from ssd_training.command_line import CONFIG_ROOT
from ssd_training.data.checking.check import check_data
from ssd_training.data.commands import format_check
from ssd_training.data.datasets import read_split
from ssd_training.errors import DataError
from ssd_training.experiments.merge import load_experiment
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from ssd_training.preparation.writing.experiment_files import write_files
from ssd_training.preparation.writing.summary import format_summary
from tests.bent_data_sets import (
    coco,
    coco_tree,
    encoded,
    Files,
    NAMES,
    numbers,
    picture,
    voc,
    with_bent_file,
    words,
    write,
)
from tests.fuzzing import bent_tree, fuzzed, Sandbox, texts
from tests.training.conftest import TINY

pytestmark = pytest.mark.fuzz
# Pictures of more are not decoded here.
MAX_PIXELS = 1_000_000
MEMORY_MB, TIMEOUT_S = 300, 10.0
MODULE = 'tests.training.data.test_fuzz_data_sets'

CVAT_IMAGE = (
    '<image name="{name}.png" width="48" height="36"><box label="{label}" xtl="{xmin}" ytl="3" '
    'xbr="30" ybr="30" rotation="5"/><polygon label="red" points="1,2;30,4;9,20"/><skeleton '
    'label="red"><points points="3,4"/><points points="20,30"/></skeleton></image>'
)


def yolo(labels: bytes = b'0 0.5 0.5 0.4 0.4\n1 .1 .1 .9 .1 .9 .9\n') -> Files:
    files: Files = {f'labels/{name}.txt': labels for name in NAMES}
    files |= {f'images/{name}.png': picture(name) for name in NAMES}
    return files | {'data.yaml': b'names: {0: red, 1: green}\nkpt_shape: [17, 3]\ntrain: images\n'}


def cvat(label: str = 'red', xmin: str = '2') -> Files:
    images = (CVAT_IMAGE.format(name=name, label=label, xmin=xmin) for name in NAMES)
    text = f'<annotations>{"".join(images)}</annotations>'
    return {'annotations.xml': text.encode()} | {f'{name}.png': picture(name) for name in NAMES}


def check(files: Files) -> None:
    """Check a data set, and read it as a training does."""
    with tempfile.TemporaryDirectory() as folder:
        write(files, Path(folder))
        overrides = [f'data.root={folder}', f'data.max_image_pixels={MAX_PIXELS}']
        if 'train.json' in files:
            section = 'data.coco={annotations: "{split}.json", images: images}'
            overrides += ['data.dataset_name=coco', section]
        config, _ = load_experiment(TINY, CONFIG_ROOT, overrides=overrides, environment={})
        errors = []
        try:
            result = check_data(config.data)
            must_be_harmless(format_check(result))
            json.dumps(result.as_tree()).encode()
        except DataError as error:
            errors.append(error)
        for record in read_split(config.data, 'train'):
            place = record.image.identity
            assert place.startswith(os.path.realpath(folder)) or not os.path.exists(place)
            record.load_image()
        if errors:
            raise errors[0]


def prepare_folder(files: Files) -> None:
    """Prepare what a labelling tool left."""
    with tempfile.TemporaryDirectory() as folder, tempfile.TemporaryDirectory() as out:
        write(files, Path(folder))
        options = Options(max_image_pixels=MAX_PIXELS)
        prepared = prepare(Path(folder), options, left_out=Path(out))
        write_files(Path(out), prepared, Path(folder))
        must_be_harmless(format_summary(prepared, Path(out)))


def must_be_harmless(text: str) -> None:
    """Tables hold labels, and these may have joiners, which scripts need."""
    faults = [fault for line in text.split('\n') for fault in find_label_faults([line])]
    assert not [fault for fault in faults if 'can not be seen' in fault or 'one line' in fault]


def use(case: tuple[str, Files]) -> None:
    """Check or prepare, in the process with limits."""
    command, files = case
    (check if command == 'check' else prepare_folder)(files)


@pytest.fixture(scope='module')
def sandbox():
    one = Sandbox(f'{MODULE}:use', memory_mb=MEMORY_MB, timeout_s=TIMEOUT_S)
    yield one
    one.close()


@pytest.fixture(scope='module')
def checked(sandbox):
    return lambda files: sandbox.run(('check', files))


@pytest.fixture(scope='module')
def prepared(sandbox):
    return lambda files: sandbox.run(('prepare', files))


def test_good_data_sets_keep_the_rule_and_are_read(checked, prepared):
    assert [checked(files) for files in (voc(), coco())] == ['', '']
    assert [prepared(files) for files in (voc(), yolo(), cvat())] == ['', '', '']


@fuzzed
@given(with_bent_file(voc, coco))
def test_any_file_of_a_data_set(checked, files):
    checked(files)


@fuzzed
@given(bent_tree(coco_tree('abcd')))
def test_any_tree_of_coco(checked, prepared, tree):
    checked(coco(tree))
    prepared(coco(tree))


@fuzzed
@given(st.lists(texts).map('\n'.join).map(encoded) | st.binary())
def test_any_list_of_voc(checked, prepared, ids):
    checked(voc(ids=ids))
    prepared(voc(ids=ids))


@fuzzed
@given(with_bent_file(voc, coco, yolo, cvat))
def test_any_file_of_a_labelling_tool(prepared, files):
    prepared(files)


@fuzzed
@given(st.lists(st.lists(numbers | texts | st.just('0.5'), max_size=8).map(' '.join)))
def test_any_columns_of_yolo(prepared, lines):
    prepared(yolo(encoded('\n'.join(lines))))


@fuzzed
@given(st.sampled_from([voc, cvat]), words, numbers | words)
def test_any_text_in_xml(checked, prepared, make, label, xmin):
    label, xmin = (text.encode('utf-8', 'replace').decode() for text in (label, xmin))
    files = make(label=label, xmin=xmin)
    prepared(files)
    if make is voc:
        checked(files)
