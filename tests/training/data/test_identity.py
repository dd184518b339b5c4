"""What an image is: the file, not a number or a name that another file has, too."""

import json
import shutil

import cv2
import numpy as np
import pytest

from ssd_training.data.__main__ import main
from ssd_training.data.annotations.annotations import Policy
from ssd_training.data.annotations.repair import to_records
from ssd_training.data.datasets import read_splits
from ssd_training.data.sources.coco import read_coco_annotations
from ssd_training.data.sources.voc import read_voc_annotations
from ssd_training.errors import DataError
from tests.training.conftest import TINY
from tests.training.shapes_voc import LABELS, write_image, write_shapes_voc, write_split

RED = ('red', (5, 10, 30, 40), False)


@pytest.fixture
def two_folders(tmp_path, monkeypatch):
    """Hold two folders, as of two videos, whose frames have the same names."""
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    root = tmp_path / 'VOCdevkit/VOC2007'
    for folder, ground in (('a', 40), ('b', 90)):
        for number in range(4):
            write_image(root / folder, f'{number}', [RED], ground=(ground, ground, 9 * number))
        write_split(root / folder, 'train', ['0', '1'])
        write_split(root / folder, 'val', ['2', '3'])
    return root


@pytest.fixture
def voc(tmp_path, monkeypatch):
    monkeypatch.setenv('DATA_ROOT', str(tmp_path))
    return write_shapes_voc(tmp_path)


def check(capsys, *overrides):
    labels = 'data.labels=[red]'
    code = main(['check', '--json', '--experiment_path', str(TINY), labels, *overrides])
    splits = json.loads(capsys.readouterr().out)['splits'].values()
    return code, [finding for split in splits for finding in split['findings']]


def splits_of(load, *overrides, root=None):
    overrides = [f'data.root={root}', *overrides] if root else overrides
    train, val = read_splits(load('tiny', *overrides).data)
    return [record.image_id for record in train], [record.image_id for record in val]


def write_coco(root, *, first_ids=(1, 1), name=None):
    """Write train.json and val.json, each with two images; they may share names of folders."""
    for number, (split, first) in enumerate(zip(('train', 'val'), first_ids, strict=True)):
        (root / split).mkdir(parents=True)
        images = [
            {'id': first + n, 'file_name': name or f'{n}.jpg', 'width': 60, 'height': 40}
            for n in range(2)
        ]
        objects = [
            {'image_id': first + n, 'category_id': 1, 'bbox': [5, 5, 20, 20]} for n in range(2)
        ]
        categories = [{'id': 1, 'name': 'red'}]
        tree = {'images': images, 'annotations': objects, 'categories': categories}
        (root / f'{split}.json').write_text(json.dumps(tree))
        for n in range(2):
            pixels = np.full((40, 60, 3), 60 * number + 20 * n, np.uint8)
            cv2.imwrite(str(root / split / f'{n}.jpg'), pixels)
    return [
        f'data={{dataset_name: coco, root: "{root}", train_split: train, val_split: val, '
        f'coco: {{annotations: "{{split}}.json", images: "{{split}}"}}}}'
    ]


def test_coco_files_that_both_count_from_1_share_no_image(tmp_path, load, capsys):
    overrides = write_coco(tmp_path / 'coco')

    assert splits_of(load, *overrides) == (['1', '2'], ['1', '2'])
    assert check(capsys, *overrides) == (0, [])


def test_frames_of_two_folders_may_have_the_same_names(two_folders, load, capsys):
    union = ('data.train_split=a/train+b/train', 'data.val_split=a/val')
    across = ('data.train_split=a/train', 'data.val_split=b/train')

    assert splits_of(load, *union, root=two_folders) == (['a/0', 'a/1', 'b/0', 'b/1'], ['2', '3'])
    assert splits_of(load, *across, root=two_folders) == (['0', '1'], ['0', '1'])
    for overrides in (union, across):
        assert check(capsys, *overrides) == (0, [])


@pytest.mark.parametrize('link', ['symlink_to', 'hardlink_to'])
def test_a_link_is_the_image_that_it_leads_to(link, two_folders, load, capsys):
    linked = two_folders / 'b/JPEGImages/0.jpg'
    linked.unlink()
    getattr(linked, link)(two_folders / 'a/JPEGImages/0.jpg')
    overrides = ('data.train_split=a/train', 'data.val_split=b/train')

    code, findings = check(capsys, *overrides)

    assert (code, [finding['kind'] for finding in findings]) == (1, ['leakage'])
    if link == 'symlink_to':
        with pytest.raises(DataError, match='1 images are in both train_split and val_split'):
            splits_of(load, *overrides, root=two_folders)


def test_a_linked_folder_is_the_folder_that_it_leads_to(two_folders, load):
    (two_folders / 'c').symlink_to(two_folders / 'a')

    with pytest.raises(DataError, match='2 images are in both train_split and val_split'):
        splits_of(load, 'data.train_split=a/train', 'data.val_split=c/train', root=two_folders)
    with pytest.raises(DataError, match=r'0.jpg: is listed more than once, also in .*a/Annot'):
        union = 'data.train_split=a/train+c/train'
        splits_of(load, union, 'data.val_split=b/val', root=two_folders)


def test_shards_remember_which_image_they_were_made_of(two_folders, load, tmp_path):
    shards = [f'data.tfrecords.dir={tmp_path / "shards"}', 'data.val_split=b/val']
    for split in ('a/train+b/train', 'a/train'):
        arguments = ['--overwrite', '--experiment_path', str(TINY), f'data.train_split={split}']
        assert main(['tfrecords', *arguments, *shards]) == 0
    shards += ['data.tfrecords.enabled=true', 'data.train_split=a/train+b/train']

    train, val = splits_of(load, *shards)

    assert (train, val) == (['a/0', 'a/1', 'b/0', 'b/1'], ['2', '3'])
    with pytest.raises(DataError, match='2 images are in both'):
        splits_of(load, *shards, 'data.val_split=a/train')


def test_copies_within_a_split_are_found_and_compared(voc, capsys):
    for suffix in ('jpg', 'xml'):
        folder = voc / ('JPEGImages' if suffix == 'jpg' else 'Annotations')
        for name in ('same', 'other'):
            shutil.copy(folder / f'000001.{suffix}', folder / f'{name}.{suffix}')
    xml = voc / 'Annotations/other.xml'
    xml.write_text(xml.read_text().replace('<xmin>', '<xmin>1'))
    write_split(voc, 'train', ['000001', 'same', 'other', '000002', '000003'])

    code, findings = check(capsys, 'data.labels=[red, green, blue]')

    copies = {
        finding['place'].split('/')[-1]: finding['text']
        for finding in findings
        if finding['kind'] == 'duplicate image'
    }
    assert code == 1 and set(copies) == {'same.jpg', 'other.jpg'}
    assert copies['same.jpg'].endswith('000001.jpg, and the same objects; keep one')
    assert 'but other objects: look at both' in copies['other.jpg']


def test_a_file_that_coco_names_twice_is_an_error(tmp_path, load):
    overrides = write_coco(tmp_path / 'coco', name='0.jpg')

    with pytest.raises(DataError, match=r'0.jpg: is listed more than once'):
        splits_of(load, *overrides)


@pytest.mark.parametrize(
    ('on_disk', 'named'),
    [
        ('0.JPG', '0.jpg'),
        ('0.jpg', '0.JPG'),
        ('cam/0.jpg', 'cam\\0.jpg'),
        ('cam/0.jpg', './cam/0.jpg'),
        ('u\u0308.jpg', '\xfc.jpg'),
    ],
)
def test_a_name_that_another_system_wrote_is_understood(on_disk, named, tmp_path):
    path = tmp_path / on_disk
    path.parent.mkdir(exist_ok=True)
    path.touch()
    image = {'id': 1, 'file_name': named, 'width': 60, 'height': 40}
    found = {'image_id': '1', 'category_id': 1, 'bbox': [5, 5, 20, 20]}
    tree = {'images': [image], 'annotations': [found], 'categories': [{'id': 1, 'name': 'red'}]}
    (tmp_path / 'a.json').write_text(json.dumps(tree))

    annotations, findings = read_coco_annotations(tmp_path / 'a.json', tmp_path)

    (record,) = to_records(annotations, Policy(LABELS, 9), findings=findings, name='a')
    assert (record.image.path, len(record.ground_truths.class_ids)) == (path, 1)


@pytest.mark.parametrize('named', ['x' * 300 + '.jpg', 'x' * 300 + '/a.jpg', 'a\0.jpg', ''])
def test_a_name_that_no_file_can_have_is_a_missing_file(named, tmp_path):
    images = [{'id': 1, 'file_name': named, 'width': 60, 'height': 40}]
    tree = {'images': images, 'annotations': [], 'categories': []}
    (tmp_path / 'a.json').write_text(json.dumps(tree))
    (tmp_path / 'ImageSets/Main').mkdir(parents=True)
    (tmp_path / 'ImageSets/Main/train.txt').write_text(f'{named}/x\n')

    for _, findings in (
        read_coco_annotations(tmp_path / 'a.json', tmp_path),
        read_voc_annotations(tmp_path, 'train'),
    ):
        assert {finding.kind for finding in findings} == {'missing file'}


def test_an_image_of_the_same_stem_and_another_suffix_is_not_taken(tmp_path):
    (tmp_path / '0.png').touch()
    image = {'id': 1, 'file_name': '0.jpg', 'width': 60, 'height': 40}
    tree = {'images': [image], 'annotations': [], 'categories': []}
    (tmp_path / 'a.json').write_text(json.dumps(tree))

    _, (finding,) = read_coco_annotations(tmp_path / 'a.json', tmp_path)

    assert finding.text == 'missing, but listed in a.json; there is 0.png: ' + (
        'rename it, or convert it to 0.jpg'
    )
