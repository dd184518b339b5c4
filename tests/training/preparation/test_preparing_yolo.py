"""`data prepare` on YOLO folders as tools and people leave them."""

import dataclasses
from pathlib import Path

import cv2
import pytest

from ssd_training.errors import DataError
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import boxes_of, drawn_boxes, LABELS, yolo


def test_chosen_labels_do_not_number_the_classes_of_data_yaml(source, pictures):
    yolo(source, pictures)
    cones = {
        stem: [(label, box) for label, box in objects if label == 'traffic cone']
        for stem, objects in drawn_boxes(pictures).items()
    }
    prepared = prepare(source, Options(labels=('traffic cone',)))
    assert boxes_of(prepared) == cones
    assert prepare(source, Options(labels=LABELS[::-1])).labels == [*LABELS[::-1]]
    assert boxes_of(prepare(source, Options(labels=LABELS[::-1]))) == drawn_boxes(pictures)


def test_labels_that_number_classes_may_have_no_objects(source, pictures):
    yolo(source, pictures)
    (source / 'data.yaml').unlink()
    prepared = prepare(source, Options(labels=(*LABELS, 'robot')))
    assert prepared.labels == [*LABELS]
    assert [
        finding.text for finding in prepared.findings if finding.kind == 'class without objects'
    ] == ['robot: no object to learn; left out']


@pytest.mark.parametrize(
    ('name', 'text', 'message'),
    [
        ('data.yaml', 'names: {ball: 0, cone: 1}', "'ball': '0'; expected a number and a name"),
        ('data.yaml', 'names: [a, {b: 1}]', 'expected a number and a name'),
        ('data.yaml', "names: ['', b]", 'expected a number and a name'),
        ('data.yaml', 'names: [a', 'no valid YAML'),
        ('classes.txt', 'traffic cone\nball\n', r'class 0 is ball, and traffic cone in .*classes'),
    ],
)
def test_names_of_classes_that_can_not_be_right_are_refused(name, text, message, source, pictures):
    yolo(source, pictures)
    (source / name).write_text(text)
    with pytest.raises(DataError, match=message):
        prepare(source, Options())


def test_names_in_no_unicode_are_refused_with_their_line(source, pictures):
    yolo(source, pictures)
    (source / 'data.yaml').unlink()
    (source / 'classes.txt').write_bytes('Kegel\nTür\n'.encode('latin-1'))
    with pytest.raises(DataError, match='line 2 is not UTF-8'):
        prepare(source, Options())


@pytest.mark.parametrize(
    ('name', 'text', 'labels'),
    [
        ('data.yaml', 'names: [on, no]', ['on', 'no']),
        ('data.yaml', 'names: {0: 1, 1: 007}', ['1', '007']),
        ('classes.txt', 'Tür\r\nHut\r\n', ['Tür', 'Hut']),
    ],
)
def test_names_of_classes_are_what_is_written(name, text, labels, source, pictures):
    yolo(source, pictures)
    (source / 'data.yaml').unlink()
    (source / name).write_text(text, encoding='utf-16' if name == 'classes.txt' else 'utf-8')
    assert prepare(source, Options()).labels == labels


@pytest.mark.parametrize(
    ('name', 'text'), [('data.yaml', 'names: {0: ball, 2: cone}'), ('classes.txt', 'ball\n\nc')]
)
def test_a_number_without_a_name_shifts_no_other(name, text, source, pictures):
    yolo(source, pictures)
    (source / 'data.yaml').unlink()
    (source / name).write_text(text)
    prepared = prepare(source, Options())
    assert prepared.labels == ['ball']
    assert 'class 1 has no name; those with names are 0, 2' in prepared.findings[0].text


def test_poses_and_label_files_of_other_systems_give_the_boxes(source, pictures):
    yolo(source, [dataclasses.replace(picture, name=f'é{picture.name}') for picture in pictures])
    (source / 'data.yaml').write_text('kpt_shape: [2, 3]\nnames: [ball, traffic cone]')
    for path in (source / 'labels/train').iterdir():
        lines = [f'{line} 0.1 0.1 2 0.9 0.9 2' for line in path.read_text().splitlines()]
        path.write_text('\r\n'.join(lines), encoding='utf-16')
        path.rename(path.with_name(path.name.replace('é', '%C3%A9').replace(' ', '%20')))
    expected = {f'é{stem}': objects for stem, objects in drawn_boxes(pictures).items()}
    assert boxes_of(prepare(source, Options())) == expected


def test_pixels_and_commas_in_label_files_are_called_so(source, pictures):
    yolo(source, pictures)
    path = source / 'labels/train/IMG 0000.txt'
    path.write_text('0 100 100 50 50\n0 0,5 0,5 0,1 0,1\n')
    texts = [finding.text for finding in prepare(source, Options()).findings]
    assert [text for text in texts if 'between 0 and 1, not pixels' in text]
    assert [text for text in texts if 'expected a point, not a comma' in text]


@pytest.mark.parametrize('kind', ['data.yaml', 'lists'])
def test_data_yaml_and_lists_of_darknet_are_the_split(kind, source, pictures):
    for folder, part in (('day', pictures[:9]), ('night', pictures[9:])):
        yolo(source, part)
        for name in ('images', 'labels'):
            (source / name / 'train').rename(source / name / folder)
    names = 'names: [ball, traffic cone]\n'
    if kind == 'lists':
        (source / 'data.yaml').write_text(names)
        for name, part in (('train', pictures[:9]), ('valid', pictures[9:])):
            (source / f'{name}.txt').write_text('\r\n'.join(f'data/obj/{p.name}' for p in part))
    else:
        (source / 'data.yaml').write_text(f'{names}train: ../images/day\nval: C:\\images\\night')
    prepared = prepare(source, Options())
    assert {Path(annotation.image.name).stem for annotation in prepared.splits['val']} == {
        *drawn_boxes(pictures[9:])
    }
    same = f'{names}train: images\nval: images'
    (source / 'data.yaml').write_text(same)
    assert not prepare(source, Options()).notes or kind == 'lists'


def test_a_split_of_data_yaml_that_is_not_there_takes_no_other(source, pictures):
    """Roboflow's data.yaml, and someone removed the test."""
    for split, part in (('train', pictures[:9]), ('valid', pictures[9:])):
        yolo(source / split, part)
        for kind in ('images', 'labels'):
            for path in (source / split / kind / 'train').iterdir():
                path.rename(source / split / kind / path.name)
        (source / split / 'data.yaml').unlink()
    (source / 'data.yaml').write_text(
        'train: ../train/images\nval: ../valid/images\ntest: ../test/images\n'
        'names: [ball, traffic cone]'
    )
    (source / 'unrelated.yaml').write_text('a: [')
    splits = prepare(source, Options()).splits
    assert {split: len(found) for split, found in splits.items()} == {'train': 9, 'val': 3}


def test_a_scene_of_train_in_val_is_said(source, pictures):
    yolo(source, pictures)
    bright = cv2.convertScaleAbs(pictures[0].image_rgb, beta=9)
    copy = dataclasses.replace(pictures[0], name='copy.png', image_rgb=bright)
    yolo(source / 'val', [copy, pictures[1]])
    for path in (source / 'val/images/train', source / 'val/labels/train'):
        path.rename(path.with_name('val'))
    (source / 'val').rename(source / 'other')
    notes = prepare(source, Options()).notes
    assert [note for note in notes if note.startswith('1 pictures of val, such as')]
    assert len(notes) == 2


@pytest.mark.parametrize('folders', [('obj_train_data', 'obj_valid_data'), ('train2017', 'Val')])
def test_folders_of_a_split_are_known_by_a_word(folders, source, pictures):
    for folder, part in zip(folders, (pictures[:9], pictures[9:]), strict=True):
        yolo(source, part)
        for kind in ('images', 'labels'):
            (source / kind / 'train').rename(source / kind / folder)
    prepared = prepare(source, Options())
    assert {Path(annotation.image.name).stem for annotation in prepared.splits['val']} == {
        *drawn_boxes(pictures[9:])
    }


def test_a_test_split_is_not_trained_on(source, pictures):
    yolo(source, pictures[:9])
    yolo(source / 'test', pictures[9:])
    prepared = prepare(source, Options())
    assert {Path(annotation.image.name).stem for annotation in prepared.splits['test']} == {
        *drawn_boxes(pictures[9:])
    }
    assert prepared.splits['val']
    assert 'test' not in prepare(source, Options(keeps_split=False)).splits


@pytest.mark.parametrize(
    ('name', 'text', 'labels'),
    [
        ('train/_darknet.labels', 'ball\ntraffic cone\n', LABELS),
        ('data/cones.names', 'ball\r\ntraffic cone\r\n', LABELS),
        ('data.yaml', 'nc: 2\nnames: ball, traffic cone\n', LABELS),
        ('data.yaml', 'names: ball,traffic cone,', LABELS),
    ],
)
def test_files_of_other_names_and_a_text_of_commas_name_the_classes(
    name, text, labels, source, pictures
):
    yolo(source, pictures)
    (source / 'data.yaml').unlink()
    (source / name).parent.mkdir(exist_ok=True)
    (source / name).write_text(text)
    assert prepare(source, Options()).labels == [*labels]


def test_other_lists_of_names_say_nothing_beside_those_that_are_called_so(source, pictures):
    """Such as coco.names, which came with darknet."""
    yolo(source, pictures)
    (source / 'coco.names').write_text('person\nbicycle\n')
    assert prepare(source, Options()).labels == [*LABELS]


@pytest.mark.parametrize(
    ('text', 'message'),
    [
        ('nc: 3\nnames: ball, traffic cone', "names: 'ball, traffic cone'; nc is 3; expected a"),
        ('names: data/obj.names', "names: 'data/obj.names'; expected a list"),
        ('names: ball,, cone', "names: 'ball,, cone'; expected a list"),
        ("names: '[ball, cone]'", 'expected a list'),
    ],
)
def test_a_text_that_may_be_no_names_is_refused(text, message, source, pictures):
    yolo(source, pictures)
    (source / 'data.yaml').write_text(text)
    with pytest.raises(DataError, match=message):
        prepare(source, Options())
