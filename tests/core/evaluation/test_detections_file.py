"""Detections of other programs."""

import json
import os

import numpy as np
import pytest

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.detections_file import number_labels, read_detections, Targets

KEYS = 'image_id, category_id, bbox, score'
GOOD = {'image_id': 7, 'category_id': 2, 'bbox': [1, 2, 3, 4], 'score': 0.5}


@pytest.fixture
def read(tmp_path):
    def read_entries(entries):
        path = tmp_path / 'detections.json'
        path.write_text(json.dumps(entries))
        return read_file(path)

    return read_entries


def read_file(path, file_names=None, class_ids=None):
    names = file_names or {'000007': '/a/one.jpg', '000009': '/a/two.jpg'}
    labels = ['cat', 'dog']
    targets = Targets(names, class_ids or number_labels(labels), labels)
    return read_detections(path, targets)


def test_numbers_find_images_and_boxes_become_corners(read):
    found = read([GOOD, GOOD | {'score': 0.9, 'category_id': 1}]).detections['000007']

    np.testing.assert_array_equal(found.boxes_xyxy, [[1, 2, 4, 6]] * 2)
    assert found.labels == ['cat', 'dog']
    np.testing.assert_allclose(found.scores, [0.9, 0.5])


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        ({'image_id': True}, 'image_id True: expected a whole number or a text'),
        ({'image_id': 7.5}, 'image_id 7.5: expected a whole number or a text'),
        ({'image_id': None}, 'image_id None: expected a whole number or a text'),
        ({'category_id': 1.9}, r'category_id 1\.9: expected a whole number'),
        ({'category_id': 'cat'}, "category_id 'cat': expected a whole number"),
        ({'category_id': True}, 'category_id True: expected a whole number'),
        ({'category_id': '9' * 5000}, "category_id '9999.*: expected a whole number"),
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
    wrong = GOOD | {'image_id': [8], 'category_id': 1.5, 'bbox': [], 'score': -1}
    with pytest.raises(EvaluationError) as caught:
        read([wrong, 7, {'score': 0.5}])

    assert [finding.split(': ', 2)[1:] for finding in caught.value.findings] == [
        ['entry 0', 'image_id [8]: expected a whole number or a text'],
        ['entry 0', 'category_id 1.5: expected a whole number'],
        ['entry 0', 'bbox []: expected x, y, and a width and height above 0, in px'],
        ['entry 0', 'score -1: expected a number in [0, 1]'],
        ['entry 1', 'is 7; expected an object with image_id, category_id, bbox, score'],
        ['entry 2', f'image_id, category_id, bbox missing; expected {KEYS}'],
    ]


def test_an_id_that_is_written_out_goes_before_its_number(tmp_path):
    path = tmp_path / 'detections.json'
    path.write_text(json.dumps([GOOD | {'image_id': '7'}]))

    assert list(read_file(path, {'7': 'a.jpg', '007': 'b.jpg'}).detections) == ['7']


def test_a_file_that_is_no_list_is_an_error(read):
    with pytest.raises(EvaluationError, match='holds no list; expected COCO results'):
        read({})


def test_category_ids_are_those_of_the_ground_truth(tmp_path):
    path = tmp_path / 'detections.json'
    path.write_text(json.dumps([GOOD | {'category_id': number} for number in (18, '3', 3.0, 5)]))

    found = read_file(path, class_ids={'18': 1, '3': 2, '5': None})

    assert sorted(found.detections['000007'].labels) == ['cat', 'dog', 'dog']
    assert found.left_out == (
        f'{path}: 1 of 4 entries are of categories that are not in data.labels; left out',
    )


@pytest.mark.parametrize(
    'name',
    [7, '7', '000007', '07', 'one.jpg', 'one', 'x/one.jpg', '/data/a/one.jpg', 'C:\\a\\one.jpg'],
)
def test_an_image_is_named_by_its_id_or_by_its_file(read, name):
    assert list(read([GOOD | {'image_id': name}]).detections) == ['000007']


def test_a_name_that_two_images_have_needs_its_folder(tmp_path):
    path = tmp_path / 'detections.json'
    names = {'1': '/a/left/0.png', '2': '/a/right/0.png'}
    path.write_text(json.dumps([GOOD | {'image_id': name} for name in ('right\\0.png', '0.png')]))

    found = read_file(path, names)

    assert list(found.detections) == ['2']
    assert (
        '1 of 2 entries are of images that the ground truth does not have (0.png)'
        in (found.left_out[0])
    )


def test_some_entries_of_other_images_and_categories_are_counted(read):
    found = read([GOOD, GOOD | {'image_id': 8}, GOOD | {'category_id': 0}])

    assert len(found.detections['000007']) == 1
    assert [text.split(': ', 1)[1] for text in found.left_out] == [
        '1 of 3 entries are of images that the ground truth does not have (8); left out',
        '1 of 3 entries are of categories that the ground truth does not have (0); left out',
    ]


def test_results_of_other_images_or_categories_alone_are_an_error(read):
    with pytest.raises(EvaluationError) as caught:
        read([GOOD | {'image_id': 8, 'category_id': 90}] * 2)

    text = str(caught.value)
    assert 'none of its images (8) is in the ground truth, which has 000007, 000009' in text
    assert 'none of its category ids (90) is one of the ground truth (1, 2)' in text


def test_a_pipe_is_no_list_of_detections(tmp_path):
    os.mkfifo(tmp_path / 'detections.json')
    with pytest.raises(EvaluationError, match=r'detections\.json: is a pipe'):
        read_file(tmp_path / 'detections.json')
