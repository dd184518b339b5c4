"""`data prepare` on COCO files as tools and people leave them."""

import dataclasses
import json
from pathlib import Path
import shutil

import pytest

from ssd_training.errors import DataError
from ssd_training.preparation.options import Options
from ssd_training.preparation.preparing import prepare
from tests.training.labelling_tools import (
    boxes_of,
    change_coco,
    count_kinds,
    drawn_boxes,
    label_studio_coco,
)


def test_numbers_with_a_point_are_ids(source, pictures):
    label_studio_coco(source, pictures)

    def change(tree):
        for entry in (*tree['images'], *tree['categories']):
            entry['id'] = float(entry['id'])

    change_coco(source / 'result.json', change)
    assert boxes_of(prepare(source, Options())) == drawn_boxes(pictures)


def test_pictures_with_one_id_are_left_out(source, pictures):
    label_studio_coco(source, pictures)
    change_coco(source / 'result.json', lambda tree: tree['images'][1].update(id=0))
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures[2:])
    assert count_kinds(prepared)['ambiguous image'] == 2


def test_classes_with_one_id_are_refused(source, pictures):
    label_studio_coco(source, pictures)
    change_coco(source / 'result.json', lambda tree: tree['categories'][1].update(id=0))
    with pytest.raises(DataError, match='categories: 0 is ball and traffic cone'):
        prepare(source, Options())


def test_a_file_for_each_class_and_equal_files_are_joined(source, pictures):
    label_studio_coco(source, pictures)
    tree = json.loads((source / 'result.json').read_text())
    shutil.copy(source / 'result.json', source / 'again.json')
    assert boxes_of(prepare(source, Options())) == drawn_boxes(pictures)
    for name, number in (('result', 0), ('again', 1)):
        ours = [
            annotation for annotation in tree['annotations'] if annotation['category_id'] == number
        ]
        (source / f'{name}.json').write_text(json.dumps(tree | {'annotations': ours}))
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert count_kinds(prepared)['duplicate image'] == 0


def test_two_attempts_at_one_picture_are_not_mixed(source, pictures):
    label_studio_coco(source, pictures)
    shutil.copy(source / 'result.json', source / 'second.json')
    change_coco(source / 'second.json', lambda tree: tree['annotations'][0]['bbox'].reverse())
    prepared = prepare(source, Options())
    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert [
        finding.text for finding in prepared.findings if finding.kind == 'duplicate image'
    ] == [
        f'has other labels in {source}/second.json: images\\00000000-IMG 0000.jpg than in '
        f'{source}/result.json: images\\00000000-IMG 0000.jpg; these are taken'
    ]


def test_a_picture_in_both_splits_is_in_one(source, pictures):
    label_studio_coco(source, pictures)
    (source / 'result.json').rename(source / 'train.json')
    shutil.copy(source / 'train.json', source / 'val.json')
    change_coco(source / 'train.json', lambda tree: tree['images'].pop())
    prepared = prepare(source, Options())
    assert len(prepared.splits['val']) == 1
    assert count_kinds(prepared)['leakage'] == 11


def test_names_are_looked_for_near_the_file_that_has_them(source, pictures):
    """FiftyOne: data/ and labels.json in each split, and both count from 0."""
    for split, part in (('train', pictures[:9]), ('val', pictures[9:])):
        renamed = [
            dataclasses.replace(picture, name=f'{i:06}.png') for i, picture in enumerate(part)
        ]
        label_studio_coco(source / split, renamed)
        (source / split / 'images').rename(source / split / 'data')
        change_coco(
            source / split / 'result.json',
            lambda tree: [
                image.update(file_name=image['file_name'].removeprefix('images\\'))
                for image in tree['images']
            ],
        )
    prepared = prepare(source, Options())
    assert [len(prepared.splits[split]) for split in ('train', 'val')] == [9, 3]


def test_folders_of_another_machine_tell_pictures_of_one_name_apart(source, pictures):
    label_studio_coco(source, pictures)
    names = {
        f'images\\{index:08x}-{picture.name}': f'cam{index % 2}/{index // 2}.png'
        for index, picture in enumerate(pictures)
    }
    for old, new in names.items():
        (source / new).parent.mkdir(exist_ok=True)
        (source / old.replace('\\', '/')).rename(source / new)
    change_coco(
        source / 'result.json',
        lambda tree: [
            image.update(file_name=f'D:\\photos\\{names[image["file_name"]]}')
            for image in tree['images']
        ],
    )
    prepared = prepare(source, Options())
    assert not count_kinds(prepared)['missing file']
    found = {
        Path(annotation.image.name).relative_to(source).as_posix(): [*annotation.objects]
        for annotations in prepared.splits.values()
        for annotation in annotations
    }
    assert {name: len(objects) for name, objects in found.items()} == {
        new: len(picture.objects) for new, picture in zip(names.values(), pictures, strict=True)
    }


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

    change_coco(source / 'result.json', change)
    prepared = prepare(source, Options())
    assert count_kinds(prepared)['unreadable annotation'] == 6
    assert count_kinds(prepared)['missing file'] == 2
    # Three have objects that can't be read, one is a text of 5000 letters.
    assert len(boxes_of(prepared)) == len(pictures) - 4


def test_a_picture_above_the_source_is_not_taken(source, pictures):
    label_studio_coco(source, pictures[:1])
    label_studio_coco(source / 'inside', pictures)
    shutil.rmtree(source / 'inside/images')
    pictures[1].write(source / 'inside')
    with pytest.raises(DataError, match='12 x missing file'):
        prepare(source / 'inside', Options())


def test_crowds_are_no_objects_to_learn(source, pictures):
    label_studio_coco(source, pictures)
    change_coco(source / 'result.json', lambda tree: tree['annotations'][0].update(iscrowd=1))
    notes = prepare(source, Options()).notes
    assert notes == ['1 objects are difficult (or crowds): neither learnt nor scored']
    change_coco(
        source / 'result.json',
        lambda tree: [annotation.update(iscrowd=1) for annotation in tree['annotations']],
    )
    with pytest.raises(DataError, match=r'nothing to train on\n\d+ objects are difficult'):
        prepare(source, Options())


def write_panoptic(source):
    """Write what COCO has beside instances_*.json: an annotation a picture, with its segments."""
    tree = json.loads((source / 'result.json').read_text())
    tree['annotations'] = [
        {
            'image_id': image['id'],
            'file_name': f'{image["id"]}.png',
            'segments_info': [{'id': 7, 'category_id': 0, 'bbox': [10, 20, 30, 40], 'iscrowd': 0}],
        }
        for image in tree['images']
    ]
    (source / 'panoptic.json').write_text(json.dumps(tree))


def test_segments_of_coco_take_no_picture_along(source, pictures):
    label_studio_coco(source, pictures)
    write_panoptic(source)

    prepared = prepare(source, Options())

    assert boxes_of(prepared) == drawn_boxes(pictures)
    assert {*count_kinds(prepared)} <= {'rare class'}
    assert prepared.notes == [
        '1 x COCO of segments (panoptic): export boxes (instances), such as '
        f'{source}/panoptic.json; left out'
    ]


def test_segments_of_coco_alone_are_named(source, pictures):
    label_studio_coco(source, pictures)
    write_panoptic(source)
    (source / 'result.json').unlink()
    with pytest.raises(DataError) as raised:
        prepare(source, Options())
    assert raised.value.findings[1] == 'COCO of segments (panoptic): export boxes (instances)'
