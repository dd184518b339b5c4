"""`data prepare`: pictures with labels that can not be read are not learnt as background."""

from pathlib import Path

import pytest

from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import (
    boxes_of,
    count_kinds,
    drawn_boxes,
    yolo,
)


@pytest.fixture
def source(tmp_path):
    return tmp_path / 'source'


def texts_of(prepared, kind):
    return [finding.text for finding in prepared.findings if finding.kind == kind]


@pytest.mark.parametrize(
    ('content', 'message'),
    [
        (b'0 0,5 0,5 0,1 0,1', "'0 0,5 0,5 0,1 0,1': 0,5 is no number; expected a point, not a"),
        (b'0 100 100 50 50', 'expected shares of the picture, between 0 and 1, not pixels'),
        (b'0 -5 0.5 0.1 0.1', 'expected shares of the picture, between 0 and 1, not -5'),
        (b'0 nan 0.5 0.1 0.1', 'expected shares of the picture, between 0 and 1, not nan'),
        (b'0 0.5 0.5 0.1 inf', 'expected shares of the picture, between 0 and 1, not inf'),
        (b'2 0.5 0.5 0.1 0.1', 'class 2 has no name; those with names are 0, 1'),
        (b'1e400 0.5 0.5 0.1 0.1', 'class 1e400 has no name'),
        (b'<html>404</html>', '<html>404</html> is no number'),
        (b'\xff\xd8\xff\xe0JFIF', 'line 1 is not UTF-8'),
    ],
)
def test_a_line_of_yolo_that_says_no_object_takes_its_picture_along(
    content, message, source, pictures
):
    yolo(source, pictures)
    path = source / 'labels/train/IMG 0001.txt'
    path.write_bytes(path.read_bytes() + b'\n' + content)
    if content.startswith(b'\xff'):
        path.write_bytes(content)

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes([pictures[0], *pictures[2:]])
    (text,) = texts_of(prepared, 'unreadable annotation')
    assert message in text
    assert text.endswith('; its picture is left out')
    assert not count_kinds(prepared)['missing file']


def test_every_line_that_says_no_object_is_named(source, pictures):
    yolo(source, pictures)
    (source / 'labels/train/IMG 0000.txt').write_text('0 0,5 0,5 0,1 0,1\n\n7 0.5 0.5 0.1 0.1\n')
    places = [
        Path(finding.place).name
        for finding in prepare(source, Options()).findings
        if finding.kind == 'unreadable annotation'
    ]
    assert places == ['IMG 0000.txt, line 1', 'IMG 0000.txt, line 3']


@pytest.mark.parametrize('kind', ['link', 'folder'])
def test_a_label_file_that_is_not_looked_at_makes_no_background(kind, source, pictures, tmp_path):
    yolo(source, pictures)
    path = source / 'labels/train/IMG 0001.txt'
    path.rename(tmp_path / 'elsewhere.txt')
    path.symlink_to(tmp_path / 'elsewhere.txt') if kind == 'link' else path.mkdir()

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes([pictures[0], *pictures[2:]])
    assert texts_of(prepared, 'image without annotation') == [
        'its label file labels/train/IMG 0001.txt is not read (no file, or a link that leads '
        'out); left out'
    ]


def test_an_empty_label_file_and_none_are_background(source, pictures):
    yolo(source, pictures)
    (source / 'labels/train/IMG 0000.txt').write_text(' \n')
    (source / 'labels/train/IMG 0001.txt').unlink()
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures) | {'IMG 0000': [], 'IMG 0001': []}
    assert texts_of(prepared, 'image without annotation') == ['no label file; taken as empty']
