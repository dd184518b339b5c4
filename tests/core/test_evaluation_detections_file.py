"""Detections of other programs."""

import json

import numpy as np
import pytest

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.detections_file import read_detections

KEYS = 'image_id, category_id, bbox, score'
GOOD = {'image_id': 7, 'category_id': 2, 'bbox': [1, 2, 3, 4], 'score': 0.5}


@pytest.fixture
def read(tmp_path):
    def read_entries(entries):
        path = tmp_path / 'detections.json'
        path.write_text(json.dumps(entries))
        return read_detections(path, ['000007', '000009'], ['cat', 'dog'])

    return read_entries


def test_numbers_find_images_and_boxes_become_corners(read):
    found = read([GOOD, GOOD | {'score': 0.9, 'category_id': 1}])['000007']

    np.testing.assert_array_equal(found.boxes_xyxy, [[1, 2, 4, 6]] * 2)
    assert found.labels == ['cat', 'dog']
    np.testing.assert_allclose(found.scores, [0.9, 0.5])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image_id': 8}, 'image_id 8 is not in the ground truth'),
        ({'image_id': True}, 'image_id True is not in the ground truth'),
        ({'category_id': 3}, r'category_id 3: expected a whole number; the class list has 1\.\.2'),
        ({'category_id': 0}, 'category_id 0: expected'),
        ({'category_id': 1.9}, r'category_id 1\.9: expected a whole number'),
        ({'category_id': '1'}, "category_id '1': expected a whole number"),
        ({'category_id': True}, 'category_id True: expected a whole number'),
        ({'bbox': [1, 2, 3]}, r'bbox \[1, 2, 3\]: expected x, y, and a width and height'),
        ({'bbox': [1, 2, -3, 4]}, 'bbox .*: expected x, y, and a width and height above 0'),
        ({'bbox': [1, float('nan'), 3, 4]}, 'bbox .*nan.*: expected'),
        ({'bbox': [1, 2, float('inf'), 4]}, 'bbox .*inf.*: expected'),
        ({'bbox': [1, 2, 10**400, 4]}, 'bbox .*: expected'),
        ({'bbox': '1234'}, "bbox '1234': expected"),
        ({'score': None}, r'score None: expected a number in \[0, 1\]'),
        ({'score': float('nan')}, 'score nan: expected'),
        ({'score': 1.5}, r'score 1\.5: expected'),
    ],
)
def test_an_entry_that_can_not_be_used_is_named(read, change, message):
    with pytest.raises(EvaluationError, match=f'detections.json: entry 1: {message}'):
        read([GOOD, GOOD | change])


def test_everything_wrong_is_reported_at_once(read):
    wrong = GOOD | {'image_id': 8, 'category_id': 1.5, 'bbox': [], 'score': -1}
    with pytest.raises(EvaluationError) as caught:
        read([wrong, 7, {'score': 0.5}])

    assert [finding.split(': ', 2)[1:] for finding in caught.value.findings] == [
        ['entry 0', 'image_id 8 is not in the ground truth; score the split detected'],
        ['entry 0', 'category_id 1.5: expected a whole number; the class list has 1..2'],
        ['entry 0', 'bbox []: expected x, y, and a width and height above 0, in px'],
        ['entry 0', 'score -1: expected a number in [0, 1]'],
        ['entry 1', 'is 7; expected an object with image_id, category_id, bbox, score'],
        ['entry 2', f'image_id, category_id, bbox missing; expected {KEYS}'],
    ]


def test_an_id_that_is_written_out_goes_before_its_number(tmp_path):
    path = tmp_path / 'detections.json'
    path.write_text(json.dumps([GOOD | {'image_id': '7'}]))

    assert list(read_detections(path, ['7', '007'], ['cat', 'dog'])) == ['7']


def test_a_file_that_is_no_list_is_an_error(read):
    with pytest.raises(EvaluationError, match='holds no list; expected COCO results'):
        read({})
