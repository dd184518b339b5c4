"""`data prepare`: which files of a folder are looked at, and what is said of the others."""

import errno
import os
from pathlib import Path

import pytest

from ssd_training.errors import DataError
from ssd_training.predict import main as predict
from ssd_training.preparation.layouts.listing import PREDICTED
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import boxes_of, count_kinds, drawn_boxes, labelimg, yolo


@pytest.fixture
def source(tmp_path):
    return tmp_path / 'source'


@pytest.fixture
def lock(monkeypatch):
    """Give what makes a folder one that may not be read: to root, permissions say nothing."""
    scan = os.scandir
    locked = set()

    def scan_unlocked(path):
        if Path(path) in locked:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(path))
        return scan(path)

    monkeypatch.setattr(os, 'scandir', scan_unlocked)
    return locked.add


def test_a_folder_that_may_not_be_read_is_named(source, pictures, lock):
    labelimg(source, pictures[:9])
    labelimg(source / 'more', pictures[9:])
    lock(source / 'more')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[:9])
    assert [str(found) for found in prepared.findings if found.kind == 'missing file'] == [
        f'{source}/more: can not be read (Permission denied): what lies there is left out; chmod '
        f'-R u+rX makes it readable'
    ]


def test_a_source_that_may_not_be_read_is_refused_so(source, pictures, lock):
    labelimg(source, pictures)
    lock(source)
    with pytest.raises(DataError, match=r'holds no picture(.|\n)*can not be read \(Permission d'):
        prepare(source, Options())


def test_pictures_whose_labels_may_not_be_read_are_no_background(source, pictures, lock):
    yolo(source, pictures[:9])
    yolo(source / 'more', pictures[9:])
    lock(source / 'more/labels/train')

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


def test_results_of_predict_alone_are_said(source, pictures):
    pictures[0].write(source / PREDICTED)
    with pytest.raises(DataError, match='holds no picture(.|\n)*holds results of predict'):
        prepare(source, Options())


def test_results_of_predict_lie_where_they_are_left_out(capsys):
    with pytest.raises(SystemExit):
        predict(['--help'])
    assert f'--output_dir OUTPUT_DIR ({PREDICTED})' in ' '.join(capsys.readouterr().out.split())
