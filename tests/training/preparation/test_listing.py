"""`data prepare`: which files of a folder are looked at, and what is said of the others."""

import dataclasses
import shutil

import pytest

from ssd_training.command_line import PREDICTED
from ssd_training.data.images.decoding import Decoding
from ssd_training.errors import DataError
from ssd_training.predict import parse
from ssd_training.prediction.annotated import open_writer
from ssd_training.prediction.frame_sources import Frame, Pictures
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.locked_folders import lock
from tests.training.labelling_tools import (
    boxes_of,
    change_coco,
    count_kinds,
    drawn_boxes,
    label_studio_coco,
    labelimg,
    yolo,
)


def test_a_folder_that_may_not_be_read_is_named(source, pictures, monkeypatch):
    labelimg(source, pictures[:9])
    labelimg(source / 'more', pictures[9:])
    lock(monkeypatch, 'more')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[:9])
    assert [str(found) for found in prepared.findings if found.kind == 'missing file'] == [
        f'{source}/more: can not be read (Permission denied): what lies there is left out; chmod '
        f'-R u+rX makes it readable'
    ]


def test_a_source_that_may_not_be_read_is_refused_so(source, pictures, monkeypatch):
    labelimg(source, pictures)
    lock(monkeypatch, source.name)
    with pytest.raises(DataError, match=r'holds no picture(.|\n)*can not be read \(Permission d'):
        prepare(source, Options())


def test_pictures_whose_labels_may_not_be_read_are_no_background(source, pictures, monkeypatch):
    yolo(source, pictures[:9])
    yolo(source / 'more', pictures[9:])
    for path in [*(source / 'labels/train').iterdir()]:
        path.rename(source / 'images/train' / path.name)
    shutil.rmtree(source / 'labels')
    lock(monkeypatch, 'labels')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[:9])
    assert count_kinds(prepared)['missing file'] == 1
    assert count_kinds(prepared)['image without annotation'] == 3


@pytest.mark.parametrize('layout', [labelimg, yolo])
def test_results_of_predict_are_no_pictures(layout, source, pictures):
    layout(source, pictures)
    for picture in pictures:
        picture.write(source / PREDICTED / 'images/train')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert {*count_kinds(prepared)} <= {'rare class'}
    assert [note for note in prepared.notes if PREDICTED in note] == [
        f'{source / PREDICTED}: holds results of predict, with boxes drawn in; left out'
    ]


def predict_into(folder, pictures):
    writer = open_writer(Pictures((), folder.parent, Decoding()), folder)
    for picture in pictures:
        writer.write(Frame(picture.name, picture.image_rgb), picture.image_rgb)


def test_results_of_predict_in_a_folder_of_another_name_bear_a_mark(source, pictures):
    yolo(source, pictures)
    results = source / 'images/looked at'
    predict_into(results, pictures[:6])
    predict_into(results, pictures[6:])

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert [note for note in prepared.notes if 'looked at' in note] == [
        f'{results}: holds results of predict, with boxes drawn in; left out'
    ]
    with pytest.raises(DataError, match='holds no picture(.|\n)*holds results of predict'):
        prepare(results, Options())


def test_pictures_that_were_there_before_the_results_are_pictures(source, pictures):
    labelimg(source, pictures[:9])
    predict_into(source, pictures[9:])

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[:9])
    assert count_kinds(prepared)['image without annotation'] == 3


def test_of_many_pictures_of_one_name_three_are_named(source, pictures):
    label_studio_coco(source, pictures[1:])
    for index in range(5):
        dataclasses.replace(pictures[0], name='0.png').write(source / f'{index}')
    change_coco(source / 'result.json', lambda tree: tree['images'][0].update(file_name='0.png'))

    prepared = prepare(source, Options())

    assert [found.text for found in prepared.findings if found.kind == 'ambiguous image'] == [
        'several pictures of this name: 0/0.png, 1/0.png, 2/0.png and 2 more; name the folder, '
        'too; left out'
    ]


def test_results_of_predict_alone_are_said(source, pictures):
    pictures[0].write(source / PREDICTED)
    with pytest.raises(DataError, match='holds no picture(.|\n)*holds results of predict'):
        prepare(source, Options())


def test_results_of_predict_lie_where_they_are_left_out():
    assert parse([]).output_dir.name == PREDICTED
