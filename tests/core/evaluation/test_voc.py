"""VOC average precision against an independent slow implementation of the devkit's rules."""

from hypothesis import assume, given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.detections import Detections
from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.voc import evaluate_voc
from tests.core.evaluation import reference
from tests.core.evaluation.cases import LABELS, random_data_sets, to_detections, to_truths
from tests.strategies import boxes_xyxy, scores


def not_empty(boxes):
    return boxes[np.all(boxes[:, 2:] > boxes[:, :2], axis=1)]


@st.composite
def data_sets(draw):
    truths, found = {}, {}
    for image in range(draw(st.integers(1, 3))):
        boxes = not_empty(draw(boxes_xyxy(max_size=5, scale=16)))
        class_ids = draw(st.lists(st.integers(1, 3), min_size=len(boxes), max_size=len(boxes)))
        flags = draw(st.lists(st.booleans(), min_size=len(boxes), max_size=len(boxes)))
        truths[f'{image:06}'] = to_truths(boxes, class_ids, flags)
        boxes = not_empty(draw(boxes_xyxy(max_size=6, scale=16)))
        class_ids = draw(st.lists(st.integers(1, 3), min_size=len(boxes), max_size=len(boxes)))
        found[f'{image:06}'] = to_detections(boxes, draw(scores(len(boxes))), class_ids)
    return found, truths


def assert_equal_to_devkit(found, truths, iou_threshold, interpolation):
    result = evaluate_voc(
        found, truths, labels=LABELS, iou_threshold=iou_threshold, interpolation=interpolation
    )
    images = reference.to_images(found, truths)
    expected = [reference.voc_ap(images, c, iou_threshold, interpolation) for c in (1, 2, 3)]
    np.testing.assert_allclose(list(result.ap_by_label.values()), expected, rtol=0, atol=1e-12)
    np.testing.assert_allclose(
        result.mean_ap, reference.mean_ap(images, iou_threshold, interpolation), rtol=0, atol=1e-12
    )


# Slow: the devkit's own arithmetic takes 3 ms a case.
@pytest.mark.parametrize('num_cases', [800, pytest.param(4000, marks=pytest.mark.slow)])
def test_ap_equals_the_devkit_in_many_cases(num_cases):
    for index, (found, truths) in enumerate(random_data_sets(num_cases)):
        # Thresholds that boxes on a grid meet exactly are among them.
        iou_threshold = (0.5, 0.75, 1 / 3, 0.6)[index % 4]
        assert_equal_to_devkit(found, truths, iou_threshold, ('11point', 'area')[index // 4 % 2])


@given(data_sets(), st.sampled_from(['11point', 'area']), st.sampled_from([0.5, 0.75]))
def test_ap_equals_the_devkit_where_hypothesis_looks(data, interpolation, iou_threshold):
    found, truths = data
    assume(any(not np.all(truth.is_difficult) for truth in truths.values()))
    assert_equal_to_devkit(found, truths, iou_threshold, interpolation)


def evaluate_one(found, truths):
    return evaluate_voc({'a': found}, {'a': truths}, labels=LABELS).ap_by_label['cat']


CAT = [0, 0, 10, 10]


def test_a_hit_on_a_difficult_object_is_neither_hit_nor_miss():
    difficult, other, nothing = [20, 20, 30, 30], [40, 40, 50, 50], [60, 60, 70, 70]
    truths = to_truths([CAT, other, difficult], [1, 1, 1], [False, False, True])
    found = to_detections([difficult, nothing, CAT], [0.9, 0.8, 0.7], [1, 1, 1])
    # Without the first: a miss, then a hit, precision 1/2 at recall 1/2, six of eleven points.
    # As a hit it would give 1 at recall 1/2, as a miss 1/3.
    assert evaluate_one(found, truths) == pytest.approx(6 / 11 / 2)


def test_a_second_detection_of_an_object_is_a_miss():
    truths = to_truths([CAT, [20, 20, 30, 30]], [1, 1], [False, False])
    twice = to_detections([CAT, CAT, [20, 20, 30, 30]], [0.9, 0.8, 0.7], [1, 1, 1])
    # Recall 0.5 at precision 1, recall 1 at precision 2/3: six and five of the eleven points.
    assert evaluate_one(twice, truths) == pytest.approx((6 * 1 + 5 * 2 / 3) / 11)


def test_the_devkits_inclusive_pixels_are_plain_iou_on_continuous_boxes():
    # As pixels 1..10 and 1..5 (both ends count): 5 * 10 of 10 * 10 pixels, a hit at 0.5.
    truths = to_truths([[0, 0, 10, 10]], [1], [False])
    assert evaluate_one(to_detections([[0, 0, 5, 10]], [0.9], [1]), truths) == 1.0


def test_a_class_without_objects_is_not_part_of_the_mean():
    truths = to_truths([CAT], [1], [False])
    result = evaluate_voc({}, {'a': truths}, labels=LABELS)
    assert result.ap_by_label['cat'] == 0
    assert np.isnan(result.ap_by_label['dog'])
    assert result.mean_ap == 0


SIZES = {'a': (100, 80)}


@pytest.mark.parametrize(
    ('boxes', 'values', 'class_ids', 'message'),
    [
        ([[5, 5, 2, 9]], [0.5], [1], 'is empty, inverted or not finite'),
        ([[5, 5, 5, 9]], [0.5], [1], 'is empty, inverted or not finite'),
        ([[np.nan, 5, 6, 9]], [0.5], [1], 'is empty, inverted or not finite'),
        ([[90, 5, 110, 9]], [0.5], [1], 'leaves the image of 100x80 px'),
        ([[-10, 5, 20, 9]], [0.5], [1], 'leaves the image of 100x80 px'),
        ([[5, -10, 20, 9]], [0.5], [1], 'leaves the image of 100x80 px'),
        ([[5, 5, 6, 9]], [np.nan], [1], 'score of box 0 is nan'),
        ([[5, 5, 6, 9]], [1.5], [1], 'score of box 0 is 1.5'),
    ],
)
def test_what_can_not_be_scored_is_named(boxes, values, class_ids, message):
    truths = to_truths([CAT], [1], [False])
    with pytest.raises(EvaluationError, match=f'detections: a: .*{message}'):
        evaluate_voc(
            {'a': to_detections(boxes, values, class_ids)},
            {'a': truths},
            labels=LABELS,
            sizes_wh=SIZES,
        )


def test_class_lists_that_do_not_match_are_an_error():
    found, truths = to_detections([CAT], [0.5], [1]), to_truths([CAT], [1], [False])
    with pytest.raises(EvaluationError, match='labelled cat; the class list says bird'):
        evaluate_voc({'a': found}, {'a': truths}, labels=('bird', 'dog'))
    with pytest.raises(EvaluationError, match='class 3 of box 0: the class list has 1..2'):
        evaluate_voc({'a': to_detections([CAT], [0.5], [3])}, {'a': truths}, labels=LABELS[:2])


@pytest.mark.parametrize(
    ('labels', 'message'),
    [((), 'labels: the list is empty'), (('cat', 'cat'), 'labels: cat given more than once')],
)
def test_lists_of_labels_that_name_no_class_or_one_twice_are_an_error(labels, message):
    with pytest.raises(EvaluationError, match=message):
        evaluate_voc({}, {'a': to_truths([CAT], [1], [False])}, labels=labels)


def test_a_ground_truth_without_images_is_an_error():
    with pytest.raises(EvaluationError, match='ground truth: no object to find in 0 images'):
        evaluate_voc({}, {}, labels=LABELS)


def test_boxes_of_objects_are_checked_too():
    truths = {'a': to_truths([[5, 5, 2, 9], [90, 5, 110, 9]], [1, 4], [False, False])}
    with pytest.raises(EvaluationError) as caught:
        evaluate_voc({}, truths, labels=LABELS, sizes_wh=SIZES)
    assert [finding.split(': ')[2] for finding in caught.value.findings] == [
        'class 4 of box 1',
        'box 0 (5, 5, 2, 9) is empty, inverted or not finite; expected x1 < x2, y1 < y2 in pixels',
        'box 1 (90, 5, 110, 9) leaves the image of 100x80 px; expected x1 < x2, y1 < y2 in pixels',
    ]


def test_everything_wrong_is_reported_at_once():
    found = {'b': Detections.empty(), 'a': to_detections([[5, 5, 2, 9]], [np.nan], [1])}
    with pytest.raises(EvaluationError) as caught:
        evaluate_voc(found, {'a': to_truths([CAT], [1], [True])}, labels=LABELS)
    text = str(caught.value)
    assert '1 images are not in the ground truth, such as b' in text
    assert 'no object to find in 1 images' in text
    assert 'is empty, inverted' in text
    assert 'score of box 0 is nan' in text
