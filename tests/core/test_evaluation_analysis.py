"""Best thresholds and kinds of errors, on cases small enough to count by hand."""

import pytest

from ssd_detector.evaluation.errors_by_kind import split_errors
from ssd_detector.evaluation.matching import judge, match
from ssd_detector.evaluation.operating_points import best_operating_points
from tests.core.test_evaluation_voc import LABELS, to_detections, to_truths

CAT, DOG, FAR = [0, 0, 10, 10], [50, 0, 60, 10], [80, 80, 90, 90]


def judged(found, truths):
    matching = match({'a': found}, {'a': truths}, LABELS)
    return matching, judge(matching, 0.5)


def count_errors(matching, judgement):
    kinds = split_errors(matching, judgement, '11point').kinds
    return {kind.name: kind.count for kind in kinds}


@pytest.mark.parametrize(
    ('box', 'class_id', 'kind', 'missed'),
    [
        ([0, 0, 10, 4], 1, 'localization', 1),
        (CAT, 2, 'classification', 1),
        ([0, 0, 10, 4], 3, 'both', 2),
        (FAR, 1, 'background', 2),
    ],
)
def test_each_error_has_its_kind(box, class_id, kind, missed):
    truths = to_truths([CAT, DOG], [1, 2], [False, False])
    counts = count_errors(*judged(to_detections([box], [0.9], [class_id]), truths))

    assert {name for name, count in counts.items() if count} == {kind, 'missed'}
    assert (counts[kind], counts['missed']) == (1, missed)


def test_a_second_detection_is_a_duplicate_and_nothing_is_missed():
    found = to_detections([CAT, CAT], [0.9, 0.8], [1, 1])
    counts = count_errors(*judged(found, to_truths([CAT], [1], [False])))

    assert {name: count for name, count in counts.items() if count} == {'duplicate': 1}


def test_difficult_objects_are_neither_missed_nor_duplicated():
    found = to_detections([CAT, CAT], [0.9, 0.8], [1, 1])
    counts = count_errors(*judged(found, to_truths([CAT, DOG], [1, 2], [True, True])))

    assert not any(counts.values())


def test_the_best_threshold_does_not_part_equal_scores():
    found = to_detections([CAT, FAR, DOG], [0.9, 0.9, 0.3], [1, 1, 1])
    point = best_operating_points(*judged(found, to_truths([CAT], [1], [False])))[0]

    assert point.score_threshold == pytest.approx(0.9)
    assert (point.precision, point.recall) == (0.5, 1.0)
    assert point.f1 == pytest.approx(2 / 3)
