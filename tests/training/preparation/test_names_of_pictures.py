"""`data prepare`: which picture a name means, where several have it."""

import dataclasses
import json
from pathlib import Path

import pytest

from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import (
    boxes_of,
    change_coco,
    count_kinds,
    drawn_boxes,
    label_studio_coco,
    labelimg,
    texts_of,
)


def write_twice(source, pictures):
    """Move the first picture of label_studio_coco to a/0.jpg, and put another to b/0.jpg."""
    label_studio_coco(source, pictures)
    (source / 'a').mkdir()
    (source / 'images/00000000-IMG 0000.jpg').rename(source / 'a/0.jpg')
    dataclasses.replace(pictures[1], name='0.jpg').write(source / 'b')
    change_coco(source / 'result.json', lambda tree: tree['images'][0].update(file_name='0.jpg'))


def test_a_name_in_coco_that_two_folders_have_is_ambiguous(source, pictures):
    write_twice(source, pictures)

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    assert texts_of(prepared, 'ambiguous image') == [
        'several pictures of this name: a/0.jpg, b/0.jpg; name the folder, too; left out'
    ]
    assert not {'missing file', 'image without annotation'} & {*count_kinds(prepared)}


def test_a_name_in_cvat_that_two_folders_have_is_ambiguous(source, pictures):
    write_twice(source, pictures)
    tree = json.loads((source / 'result.json').read_text())
    (source / 'result.json').unlink()
    images = (
        f'<image name="{Path(image["file_name"]).name}" width="{image["width"]}" '
        f'height="{image["height"]}"><box label="ball" xtl="9" ytl="9" xbr="60" ybr="70"/></image>'
        for image in tree['images']
    )
    (source / 'annotations.xml').write_text(f'<annotations>{"".join(images)}</annotations>')

    prepared = prepare(source, Options())

    assert len(boxes_of(prepared)) == len(pictures) - 1
    assert count_kinds(prepared)['ambiguous image'] == 1
    assert not {'missing file', 'image without annotation'} & {*count_kinds(prepared)}


def test_a_filename_in_voc_that_two_folders_have_is_ambiguous(source, pictures):
    labelimg(source, pictures)
    for folder in ('a', 'b'):
        dataclasses.replace(pictures[0], name='0.jpg').write(source / folder)
    (source / 'IMG 0000.jpg').unlink()
    path = source / 'IMG 0000.xml'
    path.write_text(path.read_text().replace('IMG 0000.jpg', '0.jpg'))

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    assert count_kinds(prepared)['ambiguous image'] == 1
    assert not {'missing file', 'image without annotation'} & {*count_kinds(prepared)}


@pytest.mark.parametrize('has_filename', [True, False])
def test_names_in_voc_that_differ_in_capitals_alone_are_two(has_filename, source, pictures):
    labelimg(source, [dataclasses.replace(pictures[0], name='a.jpg'), *pictures[1:]])
    labelimg(source, [dataclasses.replace(pictures[3], name='A.JPG')])
    (source / 'IMG 0003.xml').unlink()
    for path in source.glob('*.xml') if not has_filename else ():
        path.write_text(path.read_text().replace('filename>', 'file>'))

    prepared = prepare(source, Options())

    expected = drawn_boxes(pictures)
    expected = {'a': expected.pop('IMG 0000'), 'A': expected.pop('IMG 0003')} | expected
    assert boxes_of(prepared) == expected
    assert not count_kinds(prepared)['ambiguous image']
