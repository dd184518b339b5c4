"""`data prepare` on YOLO folders: which text file has the labels of which picture."""

import dataclasses
from pathlib import Path

import pytest

from ssd_training.errors import DataError
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import boxes_of, count_kinds, drawn_boxes, yolo


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
        (source / 'data.yaml').unlink()
        (source / 'obj.names').write_text('ball\ntraffic cone\n')
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


def rename_folders(source, names):
    for old, new in names.items():
        (source / new).parent.mkdir(parents=True, exist_ok=True)
        (source / old).rename(source / new)


@pytest.mark.parametrize(
    ('images', 'labels'),
    [
        ('img', 'labels'),
        ('img/train', 'labels/train'),
        ('images', 'annotations'),
        ('images/train', 'Label/train'),
        ('train', 'labels'),
        ('photos', 'photos/yolo_txt'),
        ('all/pictures/1', 'all/bboxes/1'),
    ],
)
def test_label_files_are_found_by_name_in_a_folder_called_so(images, labels, source, pictures):
    yolo(source, pictures)
    rename_folders(source, {'images/train': 'a', 'labels/train': 'b'})
    rename_folders(source, {'a': images, 'b': labels})

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert {*count_kinds(prepared)} <= {'rare class'}
    assert [note for note in prepared.notes if 'label files' in note] == [
        f'12 label files were found by name alone, such as {labels}/IMG 0000.txt of '
        f'{images}/IMG 0000.jpg'
    ]


def test_pictures_beside_those_in_images_have_labels_too(source, pictures):
    yolo(source, pictures)
    (source / 'img/train').mkdir(parents=True)
    for picture in pictures[:6]:
        rename_folders(source, {f'images/train/{picture.name}': f'img/train/{picture.name}'})
    (source / 'labels/train/IMG 0000.txt').write_text('')
    (source / 'labels/train/IMG 0001.txt').write_text('<html>404</html>')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[2:]) | {'IMG 0000': []}
    assert count_kinds(prepared)['unreadable annotation'] == 1
    assert not count_kinds(prepared)['image without annotation']


def test_folders_of_a_split_find_their_own_labels(source, pictures):
    """Both count from 0."""
    for split, part in (('train', pictures[:9]), ('val', pictures[9:])):
        same = [
            dataclasses.replace(picture, name=f'{index}.png') for index, picture in enumerate(part)
        ]
        yolo(source / split, same)
        (source / split / 'data.yaml').rename(source / 'data.yaml')
        for kind in ('images', 'labels'):
            rename_folders(source, {f'{split}/{kind}/train': f'{split}_{kind}'})

    prepared = prepare(source, Options())

    assert [len(prepared.splits[split]) for split in ('train', 'val')] == [9, 3]
    boxes = {
        found.image.name: len(found.objects)
        for annotations in prepared.splits.values()
        for found in annotations
    }
    assert boxes == {
        str(source / f'{split}_images/{index}.png'): len(picture.objects)
        for split, part in (('train', pictures[:9]), ('val', pictures[9:]))
        for index, picture in enumerate(part)
    }


@pytest.mark.parametrize(
    ('images', 'labels'), [('cam1', 'cam2'), ('images/train', 'labels/test'), ('a/b', 'labels')]
)
def test_labels_of_pictures_that_are_missing_are_given_to_no_others(
    images, labels, source, pictures
):
    yolo(source, pictures[:3])
    yolo(source / 'other', pictures[3:])
    rename_folders(source, {'images/train': 'x', 'labels/train': 'y'})
    rename_folders(source, {'x': images, 'y': labels})

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[3:])
    assert count_kinds(prepared)['missing file'] == 3
    # Nor are they background: the labels may be theirs.
    assert texts_of(prepared, 'image without annotation')[0] == (
        f'IMG 0000.jpg: labels of this name lie in {labels}/IMG 0000.txt: put them beside the '
        f'picture, or remove them; left out'
    )


def test_labels_that_pictures_of_two_folders_may_have_are_ambiguous(source, pictures):
    yolo(source, pictures)
    rename_folders(source, {'images/train': 'day', 'labels/train': 'labels/x'})
    rename_folders(source, {'labels/x': 'txt'})
    dataclasses.replace(pictures[1], name='IMG 0000.jpg').write(source / 'night')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    assert 'day/IMG 0000.jpg, night/IMG 0000.jpg' in texts_of(prepared, 'ambiguous image')[0]


def test_label_files_without_pictures_of_their_names_are_named(source, pictures):
    yolo(source, pictures)
    for path in [*(source / 'labels/train').iterdir()]:
        path.rename(path.with_name(f'train_{path.name}'))
    with pytest.raises(DataError) as raised:
        prepare(source, Options())
    assert raised.value.findings[1] == (
        '12 text files hold labels of YOLO, such as labels/train/train_IMG 0000.txt, but no '
        'picture of that name is near; expected NAME.txt beside NAME.jpg, or in labels/ where '
        'that is in images/'
    )


def test_text_files_with_names_of_pictures_that_are_no_labels_are_named(source, pictures):
    """Open Images (OIDv4) and KITTI."""
    for picture in pictures:
        path = picture.write(source / 'Cone')
        text = source / f'Cone/Label/{path.stem}.txt'
        text.parent.mkdir(exist_ok=True)
        text.write_text('Cone 10.0 10.0 80.0 90.0\n')
    with pytest.raises(DataError) as raised:
        prepare(source, Options())
    assert raised.value.findings[1] == (
        '12 text files are called like pictures, such as Cone/Label/IMG 0000.txt, but hold no '
        "labels of YOLO: 'Cone 10.0 10.0 80.0 90.0'; expected class number, x, y, width, height"
    )


@pytest.mark.parametrize('folder', ['labels_old/train', 'images/train/predicted_txt'])
def test_labels_of_another_folder_are_not_guessed_beside_labels_of_the_usual_one(
    folder, source, pictures
):
    yolo(source, pictures)
    rename_folders(source, {'labels/train/IMG 0001.txt': f'{folder}/IMG 0001.txt'})

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes([pictures[0], *pictures[2:]])
    assert texts_of(prepared, 'image without annotation') == [
        f'{pictures[1].name}: labels of this name lie in {folder}/IMG 0001.txt: put them beside '
        f'the picture, or remove them; left out'
    ]


def test_names_of_the_web_are_those_of_pictures_in_every_folder(source, pictures):
    named = [
        dataclasses.replace(picture, name=f'a%20{index}.png')
        for index, picture in enumerate(pictures)
    ]
    yolo(source, named)
    rename_folders(source, {'images/train': 'img', 'labels/train': 'annotations'})
    assert boxes_of(prepare(source, Options())) == drawn_boxes(named)


def test_labels_elsewhere_are_those_of_a_picture_under_names_of_the_web_too(source, pictures):
    accented = dataclasses.replace(pictures[0], name='é.png')
    yolo(source, [accented, *pictures[1:]])
    rename_folders(source, {'labels/train/é.txt': 'y/%C3%A9.txt'})

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    (text,) = texts_of(prepared, 'image without annotation')
    assert text.startswith('é.png: labels of this name lie in y/%C3%A9.txt: ')


def test_labels_without_a_picture_take_none_of_another_sequence_along(source, pictures):
    """Each counts its frames from 0: b has labels of the frame 1, but not the frame."""
    for name, part in (('a', pictures[:6]), ('b', pictures[6:])):
        frames = [
            dataclasses.replace(picture, name=f'{index}.png') for index, picture in enumerate(part)
        ]
        yolo(source / name, frames)
        for kind in ('images', 'labels'):
            rename_folders(source, {f'{name}/{kind}/train': f'sequences/{name}/{kind}'})
    (source / 'a/data.yaml').rename(source / 'data.yaml')
    (source / 'b/data.yaml').unlink()
    (source / 'sequences/a/labels/1.txt').unlink()
    (source / 'sequences/b/images/1.png').unlink()

    prepared = prepare(source, Options())

    assert texts_of(prepared, 'image without annotation') == [
        '1.png: no label file; taken as empty'
    ]
    assert count_kinds(prepared)['missing file'] == 1
