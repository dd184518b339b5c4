"""Kinds of errors and the AP that each costs: by hand, and against an oracle that moves boxes."""

import numpy as np
import pytest

from ssd_detector.evaluation.errors_by_kind import split_errors
from ssd_detector.evaluation.matching import judge, match
from tests.core.evaluation import reference
from tests.core.evaluation.cases import LABELS, random_data_sets, to_detections, to_truths

CAT, DOG, FAR = [0, 0, 10, 10], [50, 0, 60, 10], [80, 80, 90, 90]
LOW_CAT = [0, 0, 10, 4]


def split(found, truths, iou_threshold=0.5, interpolation='area'):
    matching = match(found, truths, LABELS)
    return split_errors(matching, judge(matching, iou_threshold), interpolation)


def split_one(found, truths):
    errors = split({'a': found}, {'a': truths})
    return {kind.name: (kind.count, kind.ap_lost) for kind in errors.kinds if kind.count}


@pytest.mark.parametrize(
    ('box', 'class_id', 'kind', 'missed'),
    [
        (LOW_CAT, 1, 'localization', 1),
        (CAT, 2, 'classification', 1),
        (LOW_CAT, 3, 'both', 2),
        (FAR, 1, 'background', 2),
    ],
)
def test_each_error_has_its_kind(box, class_id, kind, missed):
    truths = to_truths([CAT, DOG], [1, 2], [False, False])
    errors = split_one(to_detections([box], [0.9], [class_id]), truths)

    assert set(errors) == {kind, 'missed'}
    assert (errors[kind][0], errors['missed'][0]) == (1, missed)


def test_a_second_detection_is_a_duplicate_and_nothing_is_missed():
    found = to_detections([CAT, CAT], [0.9, 0.8], [1, 1])

    assert split_one(found, to_truths([CAT], [1], [False])) == {'duplicate': (1, 0)}


def test_difficult_objects_are_neither_missed_nor_duplicated():
    found = to_detections([CAT, CAT], [0.9, 0.8], [1, 1])

    assert not split_one(found, to_truths([CAT, DOG], [1, 2], [True, True]))


def test_ap_lost_is_what_the_mended_detections_would_have_gained():
    # Cats: 0.5 * 1 + 0 without the one that is misplaced; dogs: 0, one is called a cow.
    truths = to_truths([CAT, FAR, DOG], [1, 1, 2], [False] * 3)
    misplaced = [80, 80, 90, 84]
    found = to_detections([CAT, misplaced, DOG], [0.9, 0.8, 0.7], [1, 1, 3])
    errors = split_one(found, truths)

    assert errors == {'localization': (1, 0.25), 'classification': (1, 0.5)}


def test_background_before_a_hit_costs_its_precision():
    truths = to_truths([CAT], [1], [False])
    found = to_detections([FAR, CAT], [0.9, 0.8], [1, 1])

    assert split_one(found, truths) == {'background': (1, 0.5)}


def test_of_a_mended_detection_and_a_later_hit_only_the_better_stays():
    truths = to_truths([CAT], [1], [False])
    found = to_detections([LOW_CAT, FAR, CAT], [0.9, 0.85, 0.8], [1, 1, 1])

    # A precision of 1/3 becomes 1. It would be 1/2 if the mended one were removed instead.
    assert split_one(found, truths)['localization'] == (1, pytest.approx(2 / 3))


def test_a_detection_misplaced_on_a_difficult_object_is_taken_away_when_mended():
    truths = to_truths([CAT, FAR], [1, 1], [True, False])
    found = to_detections([LOW_CAT, FAR], [0.9, 0.8], [1, 1])

    assert split_one(found, truths) == {'localization': (1, 0.5)}


def test_false_negatives_cost_the_recall_and_false_positives_the_precision():
    truths = to_truths([CAT, DOG], [1, 1], [False] * 2)
    errors = split({'a': to_detections([FAR, CAT], [0.9, 0.8], [1, 1])}, {'a': truths})

    assert errors.false_negatives_ap_lost == pytest.approx(0.25)
    assert errors.false_positives_ap_lost == pytest.approx(0.25)


def test_errors_equal_an_oracle_that_moves_boxes_and_scores_again():
    for index, (found, truths) in enumerate(random_data_sets(400, seed=1)):
        threshold = (0.5, 0.75)[index % 2]
        errors = split(found, truths, threshold, '11point')
        images = reference.to_images(found, truths)
        expected = reference.sort_errors(images, threshold)
        for kind in errors.kinds:
            assert kind.count == len(expected[kind.name])
            mended = reference.mend(images, kind.name, expected[kind.name], threshold)
            lost = reference.mean_gain(images, mended, threshold, '11point')
            np.testing.assert_allclose(kind.ap_lost, lost, rtol=0, atol=1e-12, err_msg=kind.name)
