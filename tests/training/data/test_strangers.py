"""Data sets of strangers: each file is checked for kind and size before it is read."""

import json
import os

import cv2
import numpy as np
import pytest

from ssd_training.data.__main__ import main
from ssd_training.data.checking.check import check_data
from ssd_training.data.datasets import read_split
from ssd_training.data.files import read_json
from ssd_training.data.images.records import ImageFile
from ssd_training.errors import DataError
from ssd_training.runs.fingerprint import select_recipe
from tests.training.shapes_voc import write_image, write_split

BOX = [('red', (5, 5, 40, 40), False)]


def be_pipe(path):
    path.unlink()
    os.mkfifo(path)


def be_device(path):
    path.unlink()
    path.symlink_to('/dev/zero')


def be_sparse(path):
    os.truncate(path, 10 * 2**30)


ODD = {
    be_pipe: 'is a pipe; expected a regular file',
    be_device: 'is a device; expected a regular file',
    be_sparse: 'has 10737418240 bytes; expected at most',
}
any_odd = pytest.mark.parametrize(
    ('change', 'words'), ODD.items(), ids=['pipe', 'device', 'sparse file']
)


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / 'voc'
    for image_id in ('a', 'b', 'c'):
        write_image(root, image_id, BOX)
    write_split(root, 'train', ['a', 'b'])
    write_split(root, 'val', ['c'])
    return root


@pytest.fixture
def coco(tmp_path):
    root = tmp_path / 'coco'
    (root / 'images').mkdir(parents=True)
    for name in ('train', 'val'):
        image = np.full((40, 60, 3), len(name), np.uint8)
        cv2.imwrite(str(root / f'images/{name}.jpg'), image)
        (root / f'{name}.json').write_text(json.dumps(coco_tree(f'{name}.jpg')))
    return root


def coco_tree(file_name, **fields):
    return {
        'images': [{'id': 1, 'file_name': file_name, 'width': 60, 'height': 40} | fields],
        'annotations': [{'id': 1, 'image_id': 1, 'category_id': 1, 'bbox': [5, 5, 20, 20]}],
        'categories': [{'id': 1, 'name': 'red'}],
    }


def settings_of(load, root, *overrides):
    is_coco = (root / 'train.json').exists()
    kind = ['data.dataset_name=coco', 'data.coco={annotations: "{split}.json", images: images}']
    overrides = (*(kind if is_coco else ()), f'data.root={root}', *overrides)
    return load('tiny', *overrides).data


def check(load, root, *overrides):
    result = check_data(settings_of(load, root, *overrides))
    return [str(finding) for findings in result.findings.values() for finding in findings]


@any_odd
@pytest.mark.parametrize('name', ['JPEGImages/b.jpg', 'Annotations/b.xml'])
def test_what_is_no_file_of_a_picture_is_a_finding(load, voc, name, change, words):
    change(voc / name)
    assert any(name in one and words in one for one in check(load, voc))


@any_odd
def test_what_is_no_list_is_refused(load, voc, change, words):
    change(voc / 'ImageSets/Main/train.txt')
    with pytest.raises(DataError, match=rf'train\.txt: {words}'):
        read_split(settings_of(load, voc), 'train')


@any_odd
def test_what_is_no_annotation_file_is_refused(load, coco, change, words):
    change(coco / 'train.json')
    with pytest.raises(DataError, match=rf'train\.json: {words}'):
        read_split(settings_of(load, coco), 'train')


def write_yolo(root):
    (root / 'labels').mkdir(parents=True)
    (root / 'images').mkdir()
    rng = np.random.default_rng(0)
    for name in 'abcdef':
        image = rng.integers(0, 256, (40, 60, 3)).astype(np.uint8)
        cv2.imwrite(str(root / f'images/{name}.png'), image)
        (root / f'labels/{name}.txt').write_text('0 0.5 0.5 0.4 0.4\n')
    (root / 'data.yaml').write_text('names: [red]\n')
    return root


@any_odd
@pytest.mark.parametrize('name', ['images/b.png', 'labels/b.txt', 'more.json', 'more.xml'])
def test_what_is_no_file_is_left_out_when_a_folder_is_prepared(
    tmp_path, capsys, name, change, words
):
    root = write_yolo(tmp_path / 'yolo')
    (root / name).touch()
    change(root / name)
    out = tmp_path / 'out'
    assert main(['prepare', str(root), '--layout', 'yolo', '--out', str(out)]) == 0
    findings = json.loads((out / 'findings.json').read_text())['findings']
    is_said = any(words in one['text'] and name in one['place'] for one in findings)
    # Files of other layouts are not what this folder is about.
    assert is_said == (not name.startswith('more'))


@any_odd
def test_what_is_no_file_does_not_name_classes(tmp_path, capsys, change, words):
    root = write_yolo(tmp_path / 'yolo')
    change(root / 'data.yaml')
    assert main(['prepare', str(root), '--out', str(tmp_path / 'out')]) == 1
    assert f'data.yaml: {words}' in capsys.readouterr().err


def test_a_few_lines_of_yaml_that_mean_many_classes_are_refused(tmp_path, capsys):
    root = write_yolo(tmp_path / 'yolo')
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for level in range(1, 10):
        aliases = ', '.join([f'*a{level - 1}'] * 10)
        lines.append(f'a{level}: &a{level} [{aliases}]')
    (root / 'data.yaml').write_text('\n'.join([*lines, 'names: *a9']))
    assert main(['prepare', str(root), '--out', str(tmp_path / 'out')]) == 1
    assert 'more than 20000 values' in capsys.readouterr().err


@pytest.mark.parametrize(
    ('written', 'words'),
    [
        ('9' * 4000, 'width: input should be less than or equal to 1000000'),
        ('9' * 5000, 'no valid JSON'),
        ('[' * 10**5, 'it has too many levels'),
    ],
    ids=['4000 digits', '5000 digits', 'levels'],
)
def test_numbers_and_levels_without_end_are_refused(load, coco, written, words):
    text = json.dumps(coco_tree('train.jpg', width='HERE'))
    (coco / 'train.json').write_text(text.replace('"HERE"', written))
    with pytest.raises(DataError, match=words):
        read_split(settings_of(load, coco), 'train')


def test_a_side_of_4000_digits_is_no_annotation(load, voc):
    xml = (voc / 'Annotations/b.xml').read_text()
    for digits, words in (('9' * 4000, "<width> is '9999"), ('9' * 9, 'at most 1000000')):
        (voc / 'Annotations/b.xml').write_text(xml.replace('>120<', f'>{digits}<'))
        assert any(words in one for one in check(load, voc))


def test_a_picture_that_claims_more_than_the_key_allows_is_not_decoded(load, voc):
    words = 'claims 120x90 pixels; expected at most 10799'
    assert any(words in one for one in check(load, voc, 'data.max_image_pixels=10799'))
    assert check(load, voc, 'data.max_image_pixels=10800') == check(load, voc)


def test_the_limit_of_pixels_is_no_part_of_recipes_that_do_not_set_it():
    assert select_recipe({'data': {'max_image_pixels': 10**8}}) == {'data': {}}
    assert select_recipe({'data': {'max_image_pixels': 10**6}})['data']


def test_a_file_of_more_bytes_than_any_picture_is_not_read(tmp_path):
    path = tmp_path / 'a.jpg'
    path.touch()
    os.truncate(path, 8 * 10**8 + 1)
    with pytest.raises(DataError, match='expected at most 800000000'):
        ImageFile(path).read_bytes()


def test_json_that_is_none_says_where(tmp_path):
    (tmp_path / 'a.json').write_text('{"a": ')
    with pytest.raises(DataError, match=r'a\.json: no valid JSON \(Expecting value'):
        read_json(tmp_path / 'a.json')
