"""Best thresholds, confusion, sizes, calibration, worst images: by hand and by slow twins."""

from dataclasses import asdict

import numpy as np
import pytest

from ssd_detector.evaluation.analysis import analyse
from ssd_detector.evaluation.confusion import confuse
from ssd_detector.evaluation.matching import judge, match
from ssd_detector.evaluation.operating_points import best_common_point, best_operating_points
from ssd_detector.evaluation.score_calibration import calibrate
from ssd_detector.evaluation.sizes import split_sizes
from tests.core.evaluation import reference
from tests.core.evaluation.cases import LABELS, random_data_sets, to_detections, to_truths

CAT, DOG, FAR = [0, 0, 10, 10], [50, 0, 60, 10], [80, 80, 90, 90]


def judged(found, truths, iou_threshold=0.5):
    matching = match(found, truths, LABELS)
    return matching, judge(matching, iou_threshold)


def test_objects_to_find_are_counted_for_the_background_and_each_class():
    truths = {'a': to_truths([CAT, DOG, FAR], [1, 1, 2], [False, True, False])}
    found = {'a': to_detections([CAT], [0.9], [1])}

    _, judgement = judged(found, truths)

    assert judgement.num_objects.tolist() == [0, 1, 1] + [0] * (len(LABELS) - 2)


def test_the_best_threshold_does_not_part_equal_scores():
    found = to_detections([CAT, FAR, DOG], [0.9, 0.9, 0.3], [1, 1, 1])
    truths = to_truths([CAT], [1], [False])
    point = best_operating_points(*judged({'a': found}, {'a': truths}))[0]

    assert point.score_threshold == pytest.approx(0.9)
    assert (point.precision, point.recall) == (0.5, 1.0)
    assert point.f1 == pytest.approx(2 / 3)


def test_no_threshold_keeps_a_better_f1_than_the_best():
    for found, truths in random_data_sets(100, seed=2):
        matching, judgement = judged(found, truths)
        point = best_common_point(matching, judgement)
        scores = matching.scores[judgement.is_counted]
        is_hit = judgement.is_hit[judgement.is_counted]
        f1 = [
            2 * is_hit[scores >= cut].sum() / (len(scores[scores >= cut]) + point.num_objects)
            for cut in np.unique(scores)
        ]
        assert point.f1 == pytest.approx(max(f1, default=np.nan), nan_ok=True)


def test_confusion_equals_the_slow_reference():
    for index, (found, truths) in enumerate(random_data_sets(300, seed=3)):
        iou_threshold, score_threshold = (0.5, 0.75)[index % 2], (0.0, 0.5)[index % 3 // 2]
        matrix = confuse(*judged(found, truths, iou_threshold), score_threshold)
        images = reference.to_images(found, truths)
        expected = reference.confusion(images, iou_threshold, score_threshold)
        np.testing.assert_array_equal(matrix.counts, expected)


def test_each_object_and_each_detection_is_counted_once_in_the_confusion():
    truths = to_truths([CAT, DOG, FAR], [1, 2, 1], [False, False, True])
    # A dog is taken for a cat, a second cat stands on the first, a cow stands in the grass.
    found = to_detections(
        [CAT, CAT, DOG, [20, 20, 30, 30], FAR], [0.9, 0.8, 0.7, 0.6, 0.5], [1, 1, 1, 3, 1]
    )
    matrix = confuse(*judged({'a': found}, {'a': truths}), 0.3)

    assert matrix.names == ('background', 'cat', 'dog', 'cow')
    np.testing.assert_array_equal(
        matrix.counts, [[0, 1, 0, 1], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 0, 0]]
    )
    assert (matrix.score_threshold, matrix.iou_threshold) == (0.3, 0.5)


def test_sizes_equal_the_slow_reference():
    bounds = {'small': (0, 32**2), 'medium': (32**2, 96**2), 'large': (96**2, np.inf)}
    for found, truths in random_data_sets(200, seed=4, scale=16):
        images = reference.to_images(found, truths)
        for band in split_sizes(match(found, truths, LABELS), 0.5, 'area'):
            expected = [
                reference.ap_of_size(images, class_id, 0.5, 'area', bounds[band.name])
                for class_id in (1, 2, 3)
            ]
            np.testing.assert_allclose(
                list(band.voc.ap_by_label.values()), expected, rtol=0, atol=1e-12
            )


def test_an_object_of_32_by_32_px_is_medium_and_its_recall_is_not_that_of_small_ones():
    truths = to_truths([[0, 0, 32, 32], [50, 50, 81, 81]], [1, 1], [False, False])
    found = to_detections([[0, 0, 32, 32]], [0.9], [1])
    bands = split_sizes(match({'a': found}, {'a': truths}, LABELS), 0.5, '11point')

    assert [band.num_objects for band in bands] == [1, 1, 0]
    assert [band.recall for band in bands[:2]] == [0, 1]
    assert np.isnan(bands[2].recall)


def test_calibration_equals_the_slow_reference():
    for found, truths in random_data_sets(200, seed=5):
        result = calibrate(*judged(found, truths))
        bins = reference.calibration(reference.to_images(found, truths), 0.5, 10)
        total = sum(count for count, _, _ in bins)
        error = sum(abs(scores - hits) for _, scores, hits in bins)
        np.testing.assert_array_equal(result.num_detections, [count for count, _, _ in bins])
        for place, (count, scores, hits) in enumerate(bins):
            if count:
                assert result.mean_scores[place] == pytest.approx(scores / count)
                assert result.precision[place] == pytest.approx(hits / count)
        expected = error / total if total else np.nan
        assert result.expected_error == pytest.approx(expected, nan_ok=True)


def test_scores_that_are_probabilities_have_no_calibration_error():
    # Of five detections with 0.8, four hit; a score of 1 belongs into the last bin.
    boxes = [[20 * index, 0, 20 * index + 10, 10] for index in range(6)]
    truths = to_truths([*boxes[:4], boxes[5]], [1] * 5, [False] * 5)
    found = to_detections(boxes, [0.8] * 5 + [1.0], [1] * 6)
    result = calibrate(*judged({'a': found}, {'a': truths}))

    assert result.expected_error == pytest.approx(0, abs=1e-7)
    assert result.num_detections[-1] == 1


@pytest.fixture(scope='module')
def analysis():
    """Analyse a good image, one with a miss and a false detection, and a difficult one."""
    truths = {
        'good': to_truths([CAT], [1], [False]),
        'bad': to_truths([CAT, DOG], [1, 1], [False, False]),
        'difficult': to_truths([CAT], [1], [True]),
    }
    found = {
        'good': to_detections([CAT, FAR], [0.9, 0.1], [1, 1]),
        'bad': to_detections([CAT, FAR], [0.8, 0.85], [1, 1]),
        'difficult': to_detections([CAT], [0.9], [1]),
    }
    return analyse(found, truths, labels=LABELS)


def test_the_worst_image_has_its_boxes(analysis):
    (worst,) = analysis.worst_images

    assert (worst.image_id, worst.num_errors) == ('bad', 2)
    np.testing.assert_array_equal(worst.hits.boxes_xyxy, [CAT])
    np.testing.assert_array_equal(worst.false_detections.boxes_xyxy, [FAR])
    np.testing.assert_array_equal(worst.missed.boxes_xyxy, [DOG])


def test_a_class_has_its_name_counts_and_curve(analysis):
    cat, dog, _ = analysis.classes

    assert [of_class.label for of_class in analysis.classes] == list(LABELS)
    assert (cat.num_objects, cat.num_difficult, cat.num_detections) == (3, 1, 5)
    np.testing.assert_allclose(cat.curve.recall, [1 / 3, 1 / 3, 2 / 3, 2 / 3])
    np.testing.assert_allclose(cat.curve.f1, [0.5, 0.4, 2 / 3, 4 / 7])
    assert cat.best.score_threshold == pytest.approx(0.8)
    assert np.isnan([dog.ap, dog.ap_75, dog.best.f1]).all()


def test_everything_is_the_same_the_second_time():
    found, truths = next(random_data_sets(1, seed=6))
    first, second = (analyse(found, truths, labels=LABELS) for _ in range(2))

    # NaN included, unlike ==.
    np.testing.assert_equal(asdict(first.coco), asdict(second.coco))
    assert first.errors == second.errors
    np.testing.assert_array_equal(first.confusion.counts, second.confusion.counts)
    assert [w.image_id for w in first.worst_images] == [w.image_id for w in second.worst_images]


def test_nothing_found_is_an_analysis_without_numbers_where_there_are_none():
    analysis = analyse({}, {'a': to_truths([CAT], [1], [False])}, labels=LABELS)

    assert (analysis.voc.mean_ap, analysis.voc_75.mean_ap, analysis.coco.ap) == (0, 0, 0)
    assert np.isnan(analysis.best.f1)
    assert np.isnan(analysis.calibration.expected_error)
    assert analysis.confusion.counts[1, 0] == 1
    assert [worst.image_id for worst in analysis.worst_images] == ['a']
