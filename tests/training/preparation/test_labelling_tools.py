"""`data prepare` on what labelling tools really leave, and what people do with it."""

import dataclasses
import json
import os
from pathlib import Path
import shutil

import pytest

from ssd_training.data.__main__ import main
from ssd_training.errors import DataError
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import (
    boxes_of,
    change_coco,
    count_kinds,
    cvat_voc,
    drawn_boxes,
    label_studio_coco,
    labelimg,
    yolo,
)


def test_the_copy_that_is_labelled_stays(source, pictures):
    yolo(source, pictures)
    shutil.copy(source / 'images/train/IMG 0001.JPG', source / 'images/train/A.JPG')
    shutil.copy(source / 'images/train/IMG 0001.JPG', source / 'images/train/Z.JPG')
    boxes = boxes_of(prepare(source, Options()))
    assert boxes['IMG 0001'] == sorted(pictures[1].objects)
    assert not {'A', 'Z'} & {*boxes}


def test_a_name_that_is_no_text_is_left_out(source, pictures, tmp_path, capsys):
    labelimg(source, pictures)
    (source / 'IMG 0000.jpg').rename(source / os.fsdecode(b'\xfcbel.jpg'))
    (source / 'IMG 0000.xml').rename(source / os.fsdecode(b'\xfcbel.xml'))
    assert main(['prepare', str(source), '--out', str(tmp_path / 'out'), '--json']) == 0
    found = json.loads(capsys.readouterr().out)['findings']
    texts = [finding['text'] for finding in found]
    assert texts.count('the name is not UTF-8: rename it; left out') == 2


@pytest.mark.parametrize('layout', [labelimg, yolo])
def test_labels_may_be_called_like_their_picture_with_its_suffix(layout, source, pictures):
    layout(source, pictures)
    for picture in pictures:
        for path in [*source.rglob(f'{Path(picture.name).stem}.*')]:
            if path.name != picture.name:
                path.write_text(path.read_text().replace('<filename>', '<filename>x'))
                path.rename(path.with_name(f'{picture.name}{path.suffix}'))
    assert boxes_of(prepare(source, Options())) == drawn_boxes(pictures)


def test_shapes_of_cvat_are_the_boxes_around_them(source, pictures):
    shapes = (
        '<box label="turned" rotation="90.0" xtl="50" ytl="100" xbr="150" ybr="120"/>'
        '<ellipse label="ellipse" cx="200" cy="100" rx="30" ry="10"/>'
        '<mask label="mask" rle="1, 2" left="10" top="20" width="30" height="40"/>'
        '<cuboid label="cuboid" xtl1="9" ytl1="20" xbr1="30" ybr1="70" xtr2="50" ytr2="60"/>'
        '<skeleton label="body"><points label="1" points="1.0,2.0"/>'
        '<points label="2" points="41.0,52.0"/></skeleton>'
        '<points label="point" points="1,2"/><tag label="sunny"/>'
    )
    images = []
    for picture in pictures[:2]:
        picture.write(source / 'images')
        width, height = picture.size_wh
        images.append(
            f'<image name="{picture.name}" width="{width}" height="{height}">{shapes}</image>'
        )
    (source / 'annotations.xml').write_text(f'<annotations>{"".join(images)}</annotations>')
    prepared = prepare(source, Options())
    assert boxes_of(prepared)['IMG 0000'] == [
        ('body', (1, 2, 41, 52)),
        ('cuboid', (9, 20, 50, 70)),
        ('ellipse', (170, 90, 230, 110)),
        ('mask', (10, 20, 40, 60)),
        ('turned', (90, 60, 110, 160)),
    ]
    texts = [finding.text for finding in prepared.findings]
    assert 'point: no object to learn; left out' in texts
    (source / 'annotations.xml').write_text('<annotations><image')
    with pytest.raises(DataError, match='no valid XML'):
        prepare(source, Options())


@pytest.mark.parametrize('layout', ['coco', 'voc'])
def test_boxes_that_cvat_turned_are_turned_in_other_formats_too(layout, source, pictures):
    box, turned = (50, 100, 150, 120), (90, 60, 110, 160)
    drawn = [dataclasses.replace(picture, objects=[('ball', box)]) for picture in pictures]
    if layout == 'coco':
        label_studio_coco(source, drawn)
        change_coco(
            source / 'result.json',
            lambda tree: [
                annotation.update(attributes={'rotation': 270.0})
                for annotation in tree['annotations']
            ],
        )
    else:
        cvat_voc(source, drawn)
        attribute = '<attribute><name>rotation</name><value>90.0</value></attribute>'
        for path in source.rglob('*.xml'):
            text = path.read_text().replace('</bndbox>', f'</bndbox><attributes>{attribute}')
            path.write_text(text.replace('</object>', '</attributes></object>'))
    assert {tuple(boxes) for boxes in boxes_of(prepare(source, Options())).values()} == {
        (('ball', turned),)
    }


def test_voc_may_have_another_root(source, pictures):
    labelimg(source, pictures)
    for path, root in zip(sorted(source.glob('*.xml')), ('doc', 'x:annotation'), strict=False):
        opened = f'<{root} xmlns:x="here">'
        text = path.read_text().replace('<annotation>', opened)
        path.write_text(text.replace('</annotation>', f'</{root}>'))
    assert boxes_of(prepare(source, Options())) == drawn_boxes(pictures)


def test_masks_of_cvat_are_no_pictures(source, pictures):
    drawn = [
        dataclasses.replace(picture, name=f'{Path(picture.name).stem}.png') for picture in pictures
    ]
    cvat_voc(source, drawn)
    for picture in drawn:
        picture.write(source / 'SegmentationClass')
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures)


def test_a_file_does_not_take_the_picture_of_another(source, pictures):
    labelimg(source / 'train', pictures[:9])
    labelimg(source / 'valid', pictures[9:])
    text = (source / 'train/IMG 0001.xml').read_text().replace('IMG 0001.JPG', 'IMG 0010.png')
    (source / 'train/IMG 0010.xml').write_text(text)
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert count_kinds(prepared)['missing file'] == 1


def test_photographs_of_phones_are_to_be_converted(source, pictures):
    labelimg(source, pictures)
    (source / 'IMG 0000.jpg').rename(source / 'IMG 0000.HEIC')
    (source / 'IMG 0001.JPG').write_bytes(b'\0\0\0\x24ftypheic' + bytes(300))
    texts = {finding.place: finding.text for finding in prepare(source, Options()).findings}
    assert texts[f'{source}/IMG 0000.HEIC'] == '.HEIC is not read; make it JPEG'
    assert 'it is HEIC, whatever its name: make it JPEG' in texts[f'{source}/IMG 0001.JPG']
    for path in source.iterdir():
        if path.suffix != '.xml':
            path.rename(path.with_suffix('.HEIC'))
    with pytest.raises(DataError, match=r'kinds that are not read \(\.HEIC\); make them JPEG'):
        prepare(source, Options())


@pytest.mark.parametrize(
    ('tree', 'message'),
    [
        ({'shapes': [], 'imagePath': 'a.jpg'}, 'labelme2coco'),
        ([{'id': 1, 'data': {}, 'annotations': []}], 'Label Studio.*export as COCO or YOLO'),
        ({'_via_img_metadata': {}}, 'VGG Image Annotator.*COCO'),
        ({'a.jpg1': {'filename': 'a.jpg', 'regions': []}}, 'VGG Image Annotator.*COCO'),
        ([{'image': 'a.jpg', 'annotations': []}], 'CreateML'),
        ({'objects': [], 'size': {}, 'tags': []}, 'Supervisely'),
        ({'assets': {}, 'tags': []}, 'VoTT'),
        ({'samples': []}, 'FiftyOne.*COCODetectionDataset'),
        ({'images': [], 'annotations': []}, 'without "categories"'),
        ([], 'Label Studio: export as COCO'),
    ],
)
def test_labels_of_other_formats_are_named(tree, message, source, pictures):
    pictures[0].write(source)
    (source / 'labels.json').write_text(json.dumps(tree))
    with pytest.raises(DataError, match=message):
        prepare(source, Options())


def test_a_folder_of_videos_is_called_so(source):
    source.mkdir()
    (source / 'drive.MP4').write_bytes(b'')
    with pytest.raises(DataError, match='holds videos, but no picture; export with frames'):
        prepare(source, Options())


def test_other_files_are_no_second_layout(source, pictures):
    yolo(source, pictures)
    (source / 'package.xml').write_text('<package/>')
    assert prepare(source, Options()).layout == 'yolo'


def test_where_to_look_and_to_write_is_checked(source, pictures, tmp_path, capsys):
    labelimg(source, pictures)
    (tmp_path / 'a.tar.gz').write_bytes(b'')
    for folder, out, message in (
        (source, source, 'is the source and --out'),
        (source / 'IMG 0000.xml', 'out', 'is a file; give the folder'),
        (tmp_path / 'a.tar.gz', 'out', 'an archive; unpack it and give the folder'),
        (source, tmp_path / '${HOME}', r'give a folder of another name'),
    ):
        assert main(['prepare', str(folder), '--out', str(out)]) == 1
        assert message in capsys.readouterr().err


def test_what_was_prepared_before_holds_no_labels_and_is_kept(source, pictures, capsys):
    labelimg(source, pictures)
    first = source / 'first'
    assert main(['prepare', str(source), '--out', str(first)]) == 0
    assert main(['prepare', str(source), '--out', str(source / 'second')]) == 0
    experiment = first / 'experiment.yaml'
    mine = experiment.read_text() + '# mine\n'
    experiment.write_text(mine)
    assert main(['prepare', str(source), '--out', str(first), '--overwrite']) == 0
    assert (first / 'experiment.yaml.old').read_text() == mine
    assert 'experiment.yaml is experiment.yaml.old now' in capsys.readouterr().out
