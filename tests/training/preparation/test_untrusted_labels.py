"""`data prepare`: pictures with labels that can not be read are not learnt as background."""

import dataclasses
from pathlib import Path
import re
import shutil

import pytest

from ssd_training.data.annotations.annotations import AnnotatedObject, Annotation
from ssd_training.preparation.judging.cleaning import find_untrusted
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import (
    boxes_of,
    change_coco,
    count_kinds,
    drawn_boxes,
    label_studio_coco,
    labelimg,
    roboflow_coco,
    texts_of,
    yolo,
)


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
        'its label file labels/train/IMG 0001.txt is not read (no file, a link that leads out, or '
        'in a folder that can not be read); left out'
    ]


def test_an_empty_label_file_and_none_are_background(source, pictures):
    yolo(source, pictures)
    (source / 'labels/train/IMG 0000.txt').write_text(' \n')
    (source / 'labels/train/IMG 0001.txt').unlink()
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures) | {'IMG 0000': [], 'IMG 0001': []}
    assert texts_of(prepared, 'image without annotation') == ['no label file; taken as empty']


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'category_id': 9}, 'category_id 9 is not in the file'),
        ({'bbox': [1, 2, 3]}, 'bbox: 3 numbers; expected x, y, width, height'),
        ({'bbox': [float('nan'), 2, 3, 4]}, 'bbox: [nan, 2, 3, 4]: expected numbers'),
        ({'bbox': []}, 'has neither bbox nor polygon'),
        ({'iscrowd': '2'}, "iscrowd: received '2'; expected 0 or 1"),
        ({'iscrowd': [1]}, 'iscrowd: received [1]; expected 0 or 1'),
    ],
)
def test_an_object_of_coco_that_can_not_be_read_takes_its_picture_along(
    change, message, source, pictures
):
    label_studio_coco(source, pictures)
    change_coco(source / 'result.json', lambda tree: tree['annotations'][0].update(change))

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    (text,) = texts_of(prepared, 'unreadable annotation')
    assert text == f'{message}; its picture images\\00000000-IMG 0000.jpg is left out'
    assert not count_kinds(prepared)['image without annotation']


def test_an_object_of_coco_of_no_picture_takes_none_along(source, pictures):
    label_studio_coco(source, pictures)
    odd = [None, {'category_id': 0}, {'image_id': 99, 'category_id': 0, 'bbox': [1, 2, 3, 4]}]
    change_coco(source / 'result.json', lambda tree: tree['annotations'].extend(odd))

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert texts_of(prepared, 'unreadable annotation') == [
        'has no image_id; left out',
        'has no image_id; left out',
        'image_id 99 is not in the file; left out',
    ]


@pytest.mark.parametrize(('value', 'said'), [(None, 'None'), (7, '7'), ({}, '{}')])
def test_pictures_of_a_coco_file_without_a_list_of_objects_are_left_out(
    value, said, source, pictures
):
    """Such as COCO's own image_info_test.json: nobody labelled its pictures."""
    roboflow_coco(source, pictures)
    change_coco(
        source / 'valid/_annotations.coco.json', lambda tree: tree.update(annotations=value)
    )

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[:9])
    assert texts_of(prepared, 'unreadable annotation') == [
        f'annotations: received {said}; expected a list; the pictures that it names are left out'
    ]
    assert not count_kinds(prepared)['image without annotation']


def test_a_picture_that_one_file_of_coco_has_in_vain_is_not_learnt_from_another(source, pictures):
    """A file for each class: without one of them the other classes would be background."""
    label_studio_coco(source, pictures)
    path = source / 'result.json'
    shutil.copy(path, source / 'again.json')
    for name, number in (('result', 0), ('again', 1)):
        change_coco(
            source / f'{name}.json',
            lambda tree, ours=number: tree.update(
                annotations=[
                    found | {'bbox': [1] if found['image_id'] == 1 and ours else found['bbox']}
                    for found in tree['annotations']
                    if found['category_id'] == ours
                ]
            ),
        )
    assert boxes_of(prepare(source, Options())) == drawn_boxes([pictures[0], *pictures[2:]])


@pytest.mark.parametrize('value', [0, '0', False, 'false', None, 0.0])
def test_no_crowd_is_written_in_several_ways(value, source, pictures):
    label_studio_coco(source, pictures)
    change_coco(
        source / 'result.json',
        lambda tree: [found.update(iscrowd=value) for found in tree['annotations']],
    )
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert not prepared.notes


@pytest.mark.parametrize('value', [1, '1', True, 'True'])
def test_a_crowd_is_written_in_several_ways(value, source, pictures):
    label_studio_coco(source, pictures)
    change_coco(source / 'result.json', lambda tree: tree['annotations'][0].update(iscrowd=value))
    assert '1 objects are difficult' in prepare(source, Options()).notes[0]


def test_a_broken_xml_of_voc_is_one_finding_and_leaves_its_picture_out(source, pictures):
    labelimg(source, pictures)
    (source / 'IMG 0001.xml').write_text('<annotation><object>')

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes([pictures[0], *pictures[2:]])
    (text,) = texts_of(prepared, 'unreadable annotation')
    assert text.startswith('no valid annotation (')
    assert text.endswith('; its picture is left out')
    assert not count_kinds(prepared)['image without annotation']


def test_a_broken_xml_beside_a_good_one_of_another_folder_takes_nothing_along(source, pictures):
    labelimg(source, pictures)
    (source / 'earlier').mkdir()
    (source / 'earlier/IMG 0001.xml').write_text('<annotation><object>')
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures)
    (text,) = texts_of(prepared, 'unreadable annotation')
    assert text.endswith('); left out')


def test_pictures_that_share_a_name_in_voc_are_not_said_to_have_no_xml(source, pictures):
    labelimg(source, pictures)
    for name in ('IMG 0000.png', 'IMG 0000.bmp'):
        dataclasses.replace(pictures[1], name=name).write(source)
    path = source / 'IMG 0000.xml'
    path.write_text(path.read_text().replace('IMG 0000.jpg', 'IMG 0000.tif'))

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    assert count_kinds(prepared)['ambiguous image'] == 1
    assert not count_kinds(prepared)['image without annotation']


@pytest.mark.parametrize('shape', ['<spline label="ball"/>', '<box label="ball" xtl="a"/>'])
def test_a_shape_of_cvat_without_a_box_takes_its_picture_along(shape, source, pictures):
    box = '<box label="ball" xtl="10" ytl="20" xbr="60" ybr="80"/>'
    images = []
    for index, picture in enumerate(pictures[:4]):
        picture.write(source)
        width, height = picture.size_wh
        images.append(
            f'<image name="{picture.name}" width="{width}" height="{height}">'
            f'{box}{"" if index else shape}</image>'
        )
    text = f'<annotations>{"".join(images[:3])}</annotations>'
    (source / 'annotations.xml').write_text(text)

    prepared = prepare(source, Options())

    assert {*boxes_of(prepared)} == {'IMG 0001', 'IMG 0002'}
    (text,) = texts_of(prepared, 'unreadable annotation')
    assert text.endswith('; its picture is left out')
    assert texts_of(prepared, 'image without annotation') == ['in no XML file; left out']


@pytest.mark.parametrize(
    ('bbox', 'edges'), [([90, 80, -60, 50], '90, 80, 30, 130'), ([90, 80, 60, -2], '90, 80, 150')]
)
def test_a_box_with_swapped_edges_takes_its_picture_along(bbox, edges, source, pictures):
    label_studio_coco(source, pictures)
    change_coco(source / 'result.json', lambda tree: tree['annotations'][0].update(bbox=bbox))

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    (text,) = texts_of(prepared, 'degenerate box')
    assert f': degenerate box: edges {edges}' in text
    assert text.endswith('; its edges are swapped: mend it; its picture is left out')


def test_a_box_in_shares_of_its_picture_takes_it_along(source, pictures):
    labelimg(source, pictures)
    path = source / 'IMG 0000.xml'
    shares = {'xmin': 0.1, 'ymin': 0.2, 'xmax': 0.6, 'ymax': 0.7}
    text = path.read_text()
    for name, share in shares.items():
        text = re.sub(rf'<{name}>\d+', f'<{name}>{share}', text)
    path.write_text(text)

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures[1:])
    (text,) = texts_of(prepared, 'box outside image')
    assert text.endswith('not shares of the image; its picture is left out')


def test_a_slip_of_the_mouse_leaves_its_picture_in(source, pictures):
    label_studio_coco(source, pictures)
    slips = [
        {'image_id': 0, 'category_id': 0, 'bbox': bbox}
        for bbox in (
            *([90, 80, 0, 0], [90, 80, 0.5, 60], [0, 0, 0, 0], [90, 80, -0.2, 9]),
            # Under 1 px in the upper left corner: shares only where all boxes are so small.
            [0, 0, 0.6, 0.7],
        )
    ]
    change_coco(source / 'result.json', lambda tree: tree['annotations'].extend(slips))

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures)
    texts = texts_of(prepared, 'degenerate box')
    assert len(texts) == len(slips)
    assert all(text.endswith('; left out') for text in texts)


def test_swapped_edges_of_a_class_that_is_not_wanted_leave_the_picture_in(source, pictures):
    label_studio_coco(source, pictures)
    swapped = {'image_id': 0, 'category_id': 1, 'bbox': [90, 80, -60, -50]}
    change_coco(source / 'result.json', lambda tree: tree['annotations'].append(swapped))
    names = {'ball': 'Ball', 'traffic cone': 'cone'}

    prepared = prepare(source, Options(labels=['Ball'], names=names))

    expected = drawn_boxes(pictures)['IMG 0000']
    assert boxes_of(prepared)['IMG 0000'] == [
        ('Ball', box) for label, box in expected if label == 'ball'
    ]
    assert not count_kinds(prepared)['degenerate box']
    assert 'IMG 0000' not in boxes_of(prepare(source, Options(labels=['cone'], names=names)))


@pytest.mark.parametrize(('side_px', 'count'), [(8, 0), (15, 0), (16, 1), (300, 1)])
def test_a_small_box_in_a_tiny_picture_is_no_share(side_px, count):
    objects = (AnnotatedObject('ball', (0.1, 0.2, 0.6, 0.7), False),)
    annotation = Annotation('a', None, 'a.txt', (300, side_px), objects)
    assert len([*find_untrusted(annotation)]) == count
