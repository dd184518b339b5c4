"""`data prepare` on YOLO folders: which text file has the labels of which picture."""

import dataclasses
from pathlib import Path

import pytest

from ssd_training.errors import DataError
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import boxes_of, count_kinds, drawn_boxes, yolo


@pytest.fixture
def source(tmp_path):
    return tmp_path / 'source'


def texts_of(prepared, kind):
    """Give the findings of a kind, without the folder."""
    return sorted(
        f'{Path(finding.place).name}: {finding.text}'
        for finding in prepared.findings
        if finding.kind == kind
    )


def test_labels_of_a_photograph_and_its_mask_are_not_given_to_both(source, pictures):
    yolo(source, pictures)
    mask = dataclasses.replace(pictures[1], name='IMG 0000.png')
    mask.write(source / 'images/train')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    assert texts_of(prepared, 'ambiguous image') == [
        'IMG 0000.txt: several pictures of this name: images/train/IMG 0000.jpg, '
        'images/train/IMG 0000.png; remove all but one; left out'
    ]
    assert not count_kinds(prepared)['image without annotation']


def test_masks_of_all_pictures_leave_nothing_to_train_on(source, pictures):
    yolo(source, pictures)
    for picture in pictures:
        name = f'{Path(picture.name).stem}.bmp'
        dataclasses.replace(picture, name=name).write(source / 'images/train')
    with pytest.raises(DataError, match=r'nothing to train on\n12 x ambiguous image, such as'):
        prepare(source, Options())


def test_labels_called_like_a_picture_with_its_suffix_are_of_no_other(source, pictures):
    yolo(source, pictures)
    other = dataclasses.replace(pictures[1], name='IMG 0000.png')
    other.write(source / 'images/train')
    (source / 'images/train/IMG 0001.JPG').unlink()
    labels = source / 'labels/train'
    (labels / 'IMG 0001.txt').rename(labels / 'IMG 0000.png.txt')
    (labels / 'IMG 0000.txt').rename(labels / 'IMG 0000.jpg.txt')

    prepared = prepare(source, Options())

    assert len(boxes_of(prepared)) == len(pictures) - 1
    assert not prepared.findings or {*count_kinds(prepared)} == {'rare class'}


def test_of_two_files_that_differ_in_capitals_none_is_chosen_for_a_picture(source, pictures):
    yolo(source, pictures)
    labels = source / 'labels/train'
    (labels / 'IMG 0000.txt').rename(labels / 'Img 0000.txt')
    (labels / 'img 0000.txt').write_text('0 0.5 0.5 0.2 0.2\n')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    assert texts_of(prepared, 'ambiguous image') == [
        'IMG 0000.jpg: several label files fit: labels/train/Img 0000.txt, '
        'labels/train/img 0000.txt; keep one; left out'
    ]


@pytest.mark.parametrize('stem', ['test', 'train', 'val', 'valid', 'labels', 'classes', 'Test'])
@pytest.mark.parametrize('is_flat', [True, False])
def test_a_picture_may_be_called_like_a_list(is_flat, stem, source, pictures):
    yolo(source, pictures)
    suffix = Path(pictures[0].name).suffix
    (source / f'images/train/{pictures[0].name}').rename(source / f'images/train/{stem}{suffix}')
    (source / 'labels/train/IMG 0000.txt').rename(source / f'labels/train/{stem}.txt')
    if is_flat:
        for path in [*source.rglob('*/*/*')]:
            path.rename(source / path.name)

    prepared = prepare(source, Options())

    expected = drawn_boxes(pictures)
    assert boxes_of(prepared) == {stem: expected.pop('IMG 0000')} | expected
    assert {*count_kinds(prepared)} <= {'rare class'}


def test_lists_of_pictures_and_classes_are_no_labels(source, pictures):
    yolo(source, pictures)
    for name in ('test', 'classes'):
        picture = dataclasses.replace(pictures[0], name=f'{name}.png')
        picture.write(source / 'images/train')
    (source / 'images/train/IMG 0000.jpg').unlink()
    (source / 'labels/train/test.txt').write_text('images/train/IMG 0001.JPG\n')
    (source / 'labels/train/classes.txt').write_text('ball\ntraffic cone\n')

    prepared = prepare(source, Options())

    assert texts_of(prepared, 'image without annotation') == [
        'classes.png: no label file; taken as empty',
        'test.png: no label file; taken as empty',
    ]
