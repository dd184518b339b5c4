"""Detections of other programs."""

import json

import numpy as np
import pytest

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.detections_file import read_detections

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
        ({'image_id': 8}, 'entry 1: ValueError: image 8 is not in the ground truth'),
        ({'category_id': 3}, r'entry 1: ValueError: category_id 3: the class list has 1\.\.2'),
        ({'bbox': [1, 2, 3]}, 'entry 1: ValueError'),
        ({'score': None}, 'entry 1: TypeError'),
    ],
)
def test_an_entry_that_can_not_be_used_is_named(read, change, message):
    with pytest.raises(EvaluationError, match=message):
        read([GOOD, GOOD | change])


def test_a_file_that_is_no_list_is_an_error(read):
    with pytest.raises(EvaluationError, match='holds no list; expected COCO results'):
        read({})
