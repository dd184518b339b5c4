"""COCO: the reader against pycocotools, and what it refuses."""

import json

import cv2
import numpy as np
from pycocotools.coco import COCO
import pytest

from ssd_training.data.annotations.annotations import Policy
from ssd_training.data.annotations.repair import to_records
from ssd_training.data.sources.coco import read_coco_annotations
from ssd_training.errors import DataError

LABELS = ('cat', 'dog')


def write_coco(root, *, images=2, annotations=(), **more):
    (root / 'images').mkdir(exist_ok=True)
    tree = {
        'images': [
            {'id': 10 + n, 'file_name': f'{n}.jpg', 'width': 60, 'height': 40}
            for n in range(images)
        ],
        'annotations': [
            {'id': n, 'iscrowd': 0, 'area': 1, **fields} for n, fields in enumerate(annotations)
        ],
        'categories': [{'id': 7, 'name': 'dog'}, {'id': 3, 'name': 'cat'}],
    } | more
    for n in range(images):
        cv2.imwrite(str(root / f'images/{n}.jpg'), np.full((40, 60, 3), 50 * n, np.uint8))
    (root / 'instances.json').write_text(json.dumps(tree))
    return root


def annotate(image, category, bbox, **more):
    return {'image_id': 10 + image, 'category_id': category, 'bbox': bbox, **more}


def read(root, **policy):
    annotations, findings = read_coco_annotations(root / 'instances.json', root / 'images')
    return to_records(
        annotations, Policy(LABELS, 10, **policy), findings=findings, name='instances'
    )


def test_boxes_and_classes_are_those_that_pycocotools_reads(tmp_path, capsys):
    rng = np.random.default_rng(0)
    boxes = [[*rng.uniform(0, 20, 2), *rng.uniform(1, 20, 2)] for _ in range(8)]
    root = write_coco(
        tmp_path,
        images=3,
        annotations=[
            annotate(
                rng.integers(3).item(), [3, 7][n % 2], list(map(float, box)), iscrowd=n % 3 // 2
            )
            for n, box in enumerate(boxes)
        ],
    )
    coco = COCO(root / 'instances.json')

    records = read(root)

    assert [int(record.image_id) for record in records] == coco.getImgIds()
    for record in records:
        theirs = coco.loadAnns(coco.getAnnIds(int(record.image_id)))
        truths = record.ground_truths
        names = [coco.loadCats(found['category_id'])[0]['name'] for found in theirs]
        assert [LABELS[class_id - 1] for class_id in truths.class_ids] == names
        corners = [[x, y, x + w, y + h] for x, y, w, h in (found['bbox'] for found in theirs)]
        np.testing.assert_allclose(truths.boxes_xyxy, np.reshape(corners, (-1, 4)), rtol=1e-6)
        assert list(truths.is_difficult) == [found['iscrowd'] == 1 for found in theirs]
        assert record.load_image().shape == (40, 60, 3)


def test_boxes_that_are_wrong_are_an_error_or_are_repaired_and_counted(tmp_path, caplog):
    root = write_coco(
        tmp_path,
        annotations=[
            annotate(0, 3, [50.0, 30.0, 10.5, 10.0]),
            annotate(0, 3, [5.0, 5.0, 0.0, 10.0]),
            annotate(0, 7, [1.0, 2.0, 3.0, 4.0]),
        ],
    )

    with pytest.raises(DataError) as error:
        read(root)
    assert [finding.split(':')[3].strip() for finding in error.value.findings] == [
        'box outside image',
        'degenerate box',
    ]
    with caplog.at_level('INFO'):
        records = read(root, invalid_boxes='repair', empty_images='skip')

    (record,) = records
    expected = [[50, 30, 60, 40], [1, 2, 4, 6]]
    np.testing.assert_array_equal(record.ground_truths.boxes_xyxy, expected)
    assert caplog.messages == [
        'instances: 1 boxes cut at the edge of the image',
        'instances: 1 degenerate boxes left out',
        'instances: 1 images without objects, skipped',
    ]


@pytest.mark.parametrize('at', range(4))
def test_a_box_that_is_no_number_is_never_learnt(at, tmp_path):
    box = [float('nan') if index == at else 5.0 for index in range(4)]
    root = write_coco(tmp_path, annotations=[annotate(0, 3, box)])
    with pytest.raises(DataError, match='degenerate box'):
        read(root)
    assert not any(
        len(record.ground_truths.class_ids) for record in read(root, invalid_boxes='repair')
    )


@pytest.mark.parametrize('attributes', [None, [], {'rotation': None}, {'rotation': 180.0}, {}])
def test_boxes_that_cvat_turned_are_the_boxes_around_them(attributes, tmp_path):
    box = [10.0, 15.0, 20.0, 4.0]
    root = write_coco(
        tmp_path,
        annotations=[
            annotate(0, 3, box, attributes=attributes),
            annotate(1, 3, box, attributes={'rotation': 90.0}),
        ],
    )
    first, second = (record.ground_truths.boxes_xyxy for record in read(root))
    np.testing.assert_array_equal(first, [[10, 15, 30, 19]])
    np.testing.assert_allclose(second, [[18, 7, 22, 27]])


def test_other_classes_are_an_error_or_are_left_out_and_counted(tmp_path, caplog):
    root = write_coco(
        tmp_path,
        annotations=[annotate(0, 3, [1.0, 1.0, 5.0, 5.0]), annotate(1, 9, [1.0, 1.0, 5.0, 5.0])],
        categories=[{'id': 3, 'name': 'cat'}, {'id': 9, 'name': 'zebra'}],
    )

    with pytest.raises(DataError, match='1.jpg: zebra: unknown class; data.labels has cat, dog'):
        read(root)
    with caplog.at_level('INFO'):
        records = read(root, unknown_classes='ignore')

    assert [len(record.ground_truths.class_ids) for record in records] == [1, 0]
    assert 'instances: 1 objects of other classes left out' in caplog.messages


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'images': []}, 'instances.json: images: list should have at least 1 item'),
        ({'annotations': [annotate(5, 3, [0, 0, 1, 1])]}, 'image 15 or category 3 is not in'),
        ({'annotations': [annotate(0, 4, [0, 0, 1, 1])]}, 'image 10 or category 4 is not in'),
        ({'annotations': [annotate(0, 3, [0, 0, 1])]}, 'annotations.0.bbox.3: field required'),
        ({'annotations': [{'image_id': 10}]}, 'annotations.0.category_id: field required'),
        ({'categories': None}, 'categories: input should be a valid list'),
    ],
)
def test_a_file_that_is_not_coco_is_an_error_that_says_where(tmp_path, change, message):
    write_coco(tmp_path)
    tree = json.loads((tmp_path / 'instances.json').read_text()) | change
    (tmp_path / 'instances.json').write_text(json.dumps(tree))

    with pytest.raises(DataError) as error:
        read(tmp_path)

    assert message in str(error.value)


def test_a_missing_image_and_a_missing_or_broken_file_are_errors(tmp_path):
    write_coco(tmp_path)
    (tmp_path / 'images/1.jpg').unlink()

    with pytest.raises(DataError, match='1.jpg: missing, but listed in instances.json'):
        read(tmp_path)
    (tmp_path / 'instances.json').write_text('{')
    with pytest.raises(DataError, match='instances.json: no valid JSON'):
        read(tmp_path)
    (tmp_path / 'instances.json').unlink()
    with pytest.raises(DataError, match=r'can not be read .*; check data.root'):
        read(tmp_path)
