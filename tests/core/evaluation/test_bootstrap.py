"""The paired bootstrap: its interval, and what it says."""

import numpy as np
import pytest

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.bootstrap import compare
from ssd_detector.evaluation.matching import match
from tests.core.evaluation import reference
from tests.core.evaluation.cases import (
    distinct_scores,
    LABELS,
    random_data_sets,
    to_detections,
    to_truths,
)

CAT, FAR = [0, 0, 10, 10], [80, 80, 90, 90]


def matched(found, truths):
    return match(found, truths, LABELS)


def test_a_result_can_not_be_told_apart_from_itself():
    for found, truths in random_data_sets(20, seed=9):
        one = matched(found, truths)
        result = compare(one, one, num_resamples=20)

        assert (result.low, result.high, result.difference) == (0, 0, 0)
        assert result.verdict == 'can not be told apart'


def test_the_other_way_round_the_interval_has_the_other_sign():
    for found, truths in random_data_sets(20, seed=11):
        first, second = (matched(distinct_scores(found, seed=k), truths) for k in range(2))
        there = compare(first, second, num_resamples=20)
        back = compare(second, first, num_resamples=20)

        assert (there.low, there.high) == pytest.approx((-back.high, -back.low))
        assert there.low <= there.high


@pytest.mark.parametrize('interpolation', ['11point', 'area'])
def test_the_interval_equals_scoring_copies_of_the_drawn_images(interpolation):
    num_resamples, seed = 40, 3
    for found, truths in random_data_sets(10, seed=10):
        found = [distinct_scores(found, seed=k) for k in range(2)]
        first, second = (matched(detections, truths) for detections in found)
        result = compare(
            first,
            second,
            interpolation=interpolation,
            num_resamples=num_resamples,
            confidence=0.8,
            seed=seed,
        )
        rng = np.random.default_rng(seed)
        differences = []
        for _ in range(num_resamples):
            drawn = rng.integers(len(truths), size=len(truths))
            scores = [
                reference.mean_ap(
                    [reference.to_images(detections, truths)[k] for k in drawn], 0.5, interpolation
                )
                for detections in found
            ]
            differences.append(scores[1] - scores[0])
        expected = np.nanquantile(differences, [0.1, 0.9])
        np.testing.assert_allclose([result.low, result.high], expected, rtol=0, atol=1e-12)
        images = [reference.to_images(detections, truths) for detections in found]
        assert result.first == pytest.approx(reference.mean_ap(images[0], 0.5, interpolation))
        assert result.second == pytest.approx(reference.mean_ap(images[1], 0.5, interpolation))


def many_images(num_hits):
    """Give 50 images with a cat each, of which the first ones are hit."""
    truths = {f'{k}': to_truths([CAT], [1], [False]) for k in range(50)}
    found = {
        image_id: to_detections([CAT if k < num_hits else FAR], [0.5 + k / 200], [1])
        for k, image_id in enumerate(truths)
    }
    return matched(found, truths)


def test_far_apart_is_better_or_worse_by_direction():
    poor, good = many_images(10), many_images(50)

    assert compare(poor, good).verdict == 'better'
    assert compare(good, poor).verdict == 'worse'
    assert compare(good, poor).difference == pytest.approx(-compare(poor, good).difference)


def test_one_image_of_fifty_can_not_be_told_apart():
    result = compare(many_images(49), many_images(50))

    assert result.difference > 0
    assert result.verdict == 'can not be told apart'


def test_the_seed_decides_the_interval():
    pair = many_images(20), many_images(30)

    assert compare(*pair, seed=1) == compare(*pair, seed=1)
    assert compare(*pair, seed=1).low != compare(*pair, seed=2).low


def test_results_of_different_images_classes_or_objects_are_refused_together():
    one = {'a': to_truths([CAT], [1], [False])}
    found = {'a': to_detections([CAT], [0.5], [1])}
    with pytest.raises(EvaluationError) as caught:
        compare(match(found, one, LABELS), match({}, one | {'b': one['a']}, ('x',)))
    assert 'labels: cat, dog, cow against x' in str(caught.value)
    assert 'images: 1 against 2, of which 1 are the same' in str(caught.value)

    with pytest.raises(EvaluationError, match='objects: not the same in both'):
        other = {'a': to_truths([FAR], [2], [False])}
        compare(matched(found, one), matched(found, other))
