"""`data prepare` on what labelling tools really leave, and what people do with it."""

from collections import Counter
import dataclasses
import json
import os
from pathlib import Path
import shutil

import cv2
import pytest

from ssd_training.data.__main__ import main
from ssd_training.errors import DataError
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import (
    cvat_voc,
    draw,
    label_studio_coco,
    labelimg,
    LABELS,
    yolo,
)


@pytest.fixture(scope='module')
def pictures():
    return draw(12)


@pytest.fixture
def source(tmp_path):
    return tmp_path / 'source'


def _boxes(prepared):
    return {
        Path(one.image.name).stem.rpartition('-')[2]: sorted(
            (found.label, tuple(round(edge) for edge in found.box_xyxy)) for found in one.objects
        )
        for annotations in prepared.splits.values()
        for one in annotations
    }


def _drawn(pictures):
    return {Path(one.name).stem: sorted(one.objects) for one in pictures}


def _kinds(prepared):
    return Counter(finding.kind for finding in prepared.findings)


def _change_coco(path, change):
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))


def test_chosen_labels_do_not_number_the_classes_of_data_yaml(source, pictures):
    yolo(source, pictures)
    cones = {
        stem: [(label, box) for label, box in objects if label == 'traffic cone']
        for stem, objects in _drawn(pictures).items()
    }
    prepared = prepare(source, Options(labels=('traffic cone',)))
    assert _boxes(prepared) == cones
    assert prepare(source, Options(labels=LABELS[::-1])).labels == [*LABELS[::-1]]
    assert _boxes(prepare(source, Options(labels=LABELS[::-1]))) == _drawn(pictures)


def test_labels_that_number_classes_may_have_no_objects(source, pictures):
    yolo(source, pictures)
    (source / 'data.yaml').unlink()
    prepared = prepare(source, Options(labels=(*LABELS, 'robot')))
    assert prepared.labels == [*LABELS]
    assert [one.text for one in prepared.findings if one.kind == 'class without objects'] == [
        'robot: no object to learn; left out'
    ]


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
    yolo(source, [dataclasses.replace(one, name=f'é{one.name}') for one in pictures])
    (source / 'data.yaml').write_text('kpt_shape: [2, 3]\nnames: [ball, traffic cone]')
    for path in (source / 'labels/train').iterdir():
        lines = [f'{line} 0.1 0.1 2 0.9 0.9 2' for line in path.read_text().splitlines()]
        path.write_text('\r\n'.join(lines), encoding='utf-16')
        path.rename(path.with_name(path.name.replace('é', '%C3%A9').replace(' ', '%20')))
    expected = {f'é{stem}': objects for stem, objects in _drawn(pictures).items()}
    assert _boxes(prepare(source, Options())) == expected


def test_pixels_and_commas_in_label_files_are_called_so(source, pictures):
    yolo(source, pictures)
    path = source / 'labels/train/IMG 0000.txt'
    path.write_text('0 100 100 50 50\n0 0,5 0,5 0,1 0,1\n')
    texts = [one.text for one in prepare(source, Options()).findings]
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
    assert {Path(one.image.name).stem for one in prepared.splits['val']} == {*_drawn(pictures[9:])}
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


def test_the_copy_that_is_labelled_stays(source, pictures):
    yolo(source, pictures)
    shutil.copy(source / 'images/train/IMG 0001.JPG', source / 'images/train/A.JPG')
    shutil.copy(source / 'images/train/IMG 0001.JPG', source / 'images/train/Z.JPG')
    boxes = _boxes(prepare(source, Options()))
    assert boxes['IMG 0001'] == sorted(pictures[1].objects)
    assert not {'A', 'Z'} & {*boxes}


def test_a_name_that_is_no_text_is_left_out(source, pictures, tmp_path, capsys):
    labelimg(source, pictures)
    (source / 'IMG 0000.jpg').rename(source / os.fsdecode(b'\xfcbel.jpg'))
    (source / 'IMG 0000.xml').rename(source / os.fsdecode(b'\xfcbel.xml'))
    assert main(['prepare', str(source), '--out', str(tmp_path / 'out'), '--json']) == 0
    found = json.loads(capsys.readouterr().out)['findings']
    assert sum(one['text'] == 'the name is not UTF-8: rename it; left out' for one in found) == 2


@pytest.mark.parametrize('folders', [('obj_train_data', 'obj_valid_data'), ('train2017', 'Val')])
def test_folders_of_a_split_are_known_by_a_word(folders, source, pictures):
    for folder, part in zip(folders, (pictures[:9], pictures[9:]), strict=True):
        yolo(source, part)
        for kind in ('images', 'labels'):
            (source / kind / 'train').rename(source / kind / folder)
    prepared = prepare(source, Options())
    assert {Path(one.image.name).stem for one in prepared.splits['val']} == {*_drawn(pictures[9:])}


def test_a_test_split_is_not_trained_on(source, pictures):
    yolo(source, pictures[:9])
    yolo(source / 'test', pictures[9:])
    prepared = prepare(source, Options())
    assert {Path(one.image.name).stem for one in prepared.splits['test']} == {
        *_drawn(pictures[9:])
    }
    assert prepared.splits['val']
    assert 'test' not in prepare(source, Options(keeps_split=False)).splits


def test_numbers_with_a_point_are_ids(source, pictures):
    label_studio_coco(source, pictures)

    def change(tree):
        for one in (*tree['images'], *tree['categories']):
            one['id'] = float(one['id'])

    _change_coco(source / 'result.json', change)
    assert _boxes(prepare(source, Options())) == _drawn(pictures)


def test_pictures_with_one_id_are_left_out(source, pictures):
    label_studio_coco(source, pictures)
    _change_coco(source / 'result.json', lambda tree: tree['images'][1].update(id=0))
    prepared = prepare(source, Options())
    assert _boxes(prepared) == _drawn(pictures[2:])
    assert _kinds(prepared)['ambiguous image'] == 2


def test_classes_with_one_id_are_refused(source, pictures):
    label_studio_coco(source, pictures)
    _change_coco(source / 'result.json', lambda tree: tree['categories'][1].update(id=0))
    with pytest.raises(DataError, match='categories: 0 is ball and traffic cone'):
        prepare(source, Options())


def test_a_file_for_each_class_and_equal_files_are_joined(source, pictures):
    label_studio_coco(source, pictures)
    tree = json.loads((source / 'result.json').read_text())
    shutil.copy(source / 'result.json', source / 'again.json')
    assert _boxes(prepare(source, Options())) == _drawn(pictures)
    for name, number in (('result', 0), ('again', 1)):
        ours = [one for one in tree['annotations'] if one['category_id'] == number]
        (source / f'{name}.json').write_text(json.dumps(tree | {'annotations': ours}))
    prepared = prepare(source, Options())
    assert _boxes(prepared) == _drawn(pictures)
    assert _kinds(prepared)['duplicate image'] == 0


def test_two_attempts_at_one_picture_are_not_mixed(source, pictures):
    label_studio_coco(source, pictures)
    shutil.copy(source / 'result.json', source / 'second.json')
    _change_coco(source / 'second.json', lambda tree: tree['annotations'][0]['bbox'].reverse())
    prepared = prepare(source, Options())
    assert _boxes(prepared) == _drawn(pictures)
    assert [one.text for one in prepared.findings if one.kind == 'duplicate image'] == [
        f'has other labels in {source}/second.json: images\\00000000-IMG 0000.jpg than in '
        f'{source}/result.json: images\\00000000-IMG 0000.jpg; these are taken'
    ]


def test_a_picture_in_both_splits_is_in_one(source, pictures):
    label_studio_coco(source, pictures)
    (source / 'result.json').rename(source / 'train.json')
    shutil.copy(source / 'train.json', source / 'val.json')
    _change_coco(source / 'train.json', lambda tree: tree['images'].pop())
    prepared = prepare(source, Options())
    assert len(prepared.splits['val']) == 1
    assert _kinds(prepared)['leakage'] == 11


def test_names_are_looked_for_near_the_file_that_has_them(source, pictures):
    """FiftyOne: data/ and labels.json in each split, and both count from 0."""
    for split, part in (('train', pictures[:9]), ('val', pictures[9:])):
        renamed = [dataclasses.replace(one, name=f'{i:06}.png') for i, one in enumerate(part)]
        label_studio_coco(source / split, renamed)
        (source / split / 'images').rename(source / split / 'data')
        _change_coco(
            source / split / 'result.json',
            lambda tree: [
                one.update(file_name=one['file_name'].removeprefix('images\\'))
                for one in tree['images']
            ],
        )
    prepared = prepare(source, Options())
    assert [len(prepared.splits[split]) for split in ('train', 'val')] == [9, 3]


def test_folders_of_another_machine_tell_pictures_of_one_name_apart(source, pictures):
    label_studio_coco(source, pictures)
    names = {
        f'images\\{index:08x}-{one.name}': f'cam{index % 2}/{index // 2}.png'
        for index, one in enumerate(pictures)
    }
    for old, new in names.items():
        (source / new).parent.mkdir(exist_ok=True)
        (source / old.replace('\\', '/')).rename(source / new)
    _change_coco(
        source / 'result.json',
        lambda tree: [
            one.update(file_name=f'D:\\photos\\{names[one["file_name"]]}')
            for one in tree['images']
        ],
    )
    prepared = prepare(source, Options())
    assert not _kinds(prepared)['missing file']
    found = {
        Path(one.image.name).relative_to(source).as_posix(): [*one.objects]
        for annotations in prepared.splits.values()
        for one in annotations
    }
    assert {name: len(objects) for name, objects in found.items()} == {
        new: len(one.objects) for new, one in zip(names.values(), pictures, strict=True)
    }


@pytest.mark.parametrize('layout', [labelimg, yolo])
def test_labels_may_be_called_like_their_picture_with_its_suffix(layout, source, pictures):
    layout(source, pictures)
    for picture in pictures:
        for path in [*source.rglob(f'{Path(picture.name).stem}.*')]:
            if path.name != picture.name:
                path.write_text(path.read_text().replace('<filename>', '<filename>x'))
                path.rename(path.with_name(f'{picture.name}{path.suffix}'))
    assert _boxes(prepare(source, Options())) == _drawn(pictures)


def test_odd_values_in_coco_are_left_out_by_name(source, pictures):
    label_studio_coco(source, pictures)

    def change(tree):
        annotations, images = tree['annotations'], tree['images']
        annotations[0]['bbox'] = [1, 2, 3]
        annotations[1]['bbox'][0] = float('nan')
        annotations[2]['bbox'][3] = float('inf')
        annotations[3] = None
        annotations[4]['bbox'] = {'x': 1}
        del annotations[5]['image_id']
        images[6]['width'] = float('inf')
        images[7]['file_name'] = f'data:image/png;base64,{"A" * 5000}'
        images[8]['file_name'] = f'/data/local-files/?d={images[8]["file_name"][7:]}'
        images[9]['file_name'] = f'http://here/{images[9]["file_name"][7:].replace(" ", "%20")}'
        images.append(None)

    _change_coco(source / 'result.json', change)
    prepared = prepare(source, Options())
    assert _kinds(prepared)['unreadable annotation'] == 6
    assert _kinds(prepared)['missing file'] == 2
    assert len(_boxes(prepared)) == len(pictures) - 1


def test_a_picture_above_the_source_is_not_taken(source, pictures):
    label_studio_coco(source, pictures[:1])
    label_studio_coco(source / 'inside', pictures)
    shutil.rmtree(source / 'inside/images')
    pictures[1].write(source / 'inside')
    with pytest.raises(DataError, match='12 x missing file'):
        prepare(source / 'inside', Options())


def test_crowds_are_no_objects_to_learn(source, pictures):
    label_studio_coco(source, pictures)
    _change_coco(source / 'result.json', lambda tree: tree['annotations'][0].update(iscrowd=1))
    notes = prepare(source, Options()).notes
    assert notes == ['1 objects are difficult (or crowds): neither learnt nor scored']
    _change_coco(
        source / 'result.json',
        lambda tree: [one.update(iscrowd=1) for one in tree['annotations']],
    )
    with pytest.raises(DataError, match=r'nothing to train on\n\d+ objects are difficult'):
        prepare(source, Options())


def test_shapes_of_cvat_are_the_boxes_around_them(source, pictures):
    shapes = (
        '<box label="turned" rotation="90.0" xtl="50" ytl="100" xbr="150" ybr="120"/>'
        '<ellipse label="ellipse" cx="200" cy="100" rx="30" ry="10"/>'
        '<mask label="mask" rle="1, 2" left="10" top="20" width="30" height="40"/>'
        '<cuboid label="cuboid" xtl1="9" ytl1="20" xbr1="30" ybr1="70" xtr2="50" ytr2="60"/>'
        '<skeleton label="body"><points label="1" points="1.0,2.0"/>'
        '<points label="2" points="41.0,52.0"/></skeleton>'
        '<points label="point" points="1,2"/><tag label="sunny"/><spline label="spline"/>'
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
    assert _boxes(prepared)['IMG 0000'] == [
        ('body', (1, 2, 41, 52)),
        ('cuboid', (9, 20, 50, 70)),
        ('ellipse', (170, 90, 230, 110)),
        ('mask', (10, 20, 40, 60)),
        ('turned', (90, 60, 110, 160)),
    ]
    texts = [finding.text for finding in prepared.findings]
    assert 'spline: spline: has no box; left out' in texts
    assert 'point: no object to learn; left out' in texts
    (source / 'annotations.xml').write_text('<annotations><image')
    with pytest.raises(DataError, match='no valid XML'):
        prepare(source, Options())


@pytest.mark.parametrize('layout', ['coco', 'voc'])
def test_boxes_that_cvat_turned_are_turned_in_other_formats_too(layout, source, pictures):
    box, turned = (50, 100, 150, 120), (90, 60, 110, 160)
    drawn = [dataclasses.replace(one, objects=[('ball', box)]) for one in pictures]
    if layout == 'coco':
        label_studio_coco(source, drawn)
        _change_coco(
            source / 'result.json',
            lambda tree: [
                one.update(attributes={'rotation': 270.0}) for one in tree['annotations']
            ],
        )
    else:
        cvat_voc(source, drawn)
        attribute = '<attribute><name>rotation</name><value>90.0</value></attribute>'
        for path in source.rglob('*.xml'):
            text = path.read_text().replace('</bndbox>', f'</bndbox><attributes>{attribute}')
            path.write_text(text.replace('</object>', '</attributes></object>'))
    assert {tuple(boxes) for boxes in _boxes(prepare(source, Options())).values()} == {
        (('ball', turned),)
    }


def test_masks_of_cvat_are_no_pictures(source, pictures):
    drawn = [dataclasses.replace(one, name=f'{Path(one.name).stem}.png') for one in pictures]
    cvat_voc(source, drawn)
    for picture in drawn:
        picture.write(source / 'SegmentationClass')
    prepared = prepare(source, Options())
    assert _boxes(prepared) == _drawn(pictures)


def test_a_file_does_not_take_the_picture_of_another(source, pictures):
    labelimg(source / 'train', pictures[:9])
    labelimg(source / 'valid', pictures[9:])
    text = (source / 'train/IMG 0001.xml').read_text().replace('IMG 0001.JPG', 'IMG 0010.png')
    (source / 'train/IMG 0010.xml').write_text(text)
    prepared = prepare(source, Options())
    assert _boxes(prepared) == _drawn(pictures)
    assert _kinds(prepared)['missing file'] == 1


def test_photographs_of_phones_are_to_be_converted(source, pictures):
    labelimg(source, pictures)
    (source / 'IMG 0000.jpg').rename(source / 'IMG 0000.HEIC')
    (source / 'IMG 0001.JPG').write_bytes(b'\0\0\0\x24ftypheic' + bytes(300))
    texts = {one.place: one.text for one in prepare(source, Options()).findings}
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
