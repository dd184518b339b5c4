"""What is looked at before anything is scored: each limit from both sides."""

import numpy as np
import pytest

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.checks import check_inputs
from tests.core.evaluation.cases import LABELS, to_detections, to_truths

TRUTHS = {'a': to_truths([[5, 5, 20, 30]], [1], [False])}
SIZES = {'a': (100, 80)}
INSIDE = [5, 5, 20, 30]


def check(box, *, score=0.5, class_id=1, sizes_wh=SIZES):
    found = {'a': to_detections([box], [score], [class_id])}
    check_inputs(found, TRUTHS, labels=LABELS, sizes_wh=sizes_wh)


@pytest.mark.parametrize(
    ('edge', 'value'), [(0, -1.0), (1, -1.0), (2, 101.0), (3, 81.0)], ids=['x1', 'y1', 'x2', 'y2']
)
def test_a_box_may_leave_the_image_by_a_pixel_on_each_side(edge, value):
    at_the_limit = [*INSIDE]
    at_the_limit[edge] = value
    check(at_the_limit)

    beyond = [*INSIDE]
    beyond[edge] = value + (0.5 if value > 0 else -0.5)
    with pytest.raises(EvaluationError, match='leaves the image of 100x80 px'):
        check(beyond)


def test_without_sizes_no_box_is_outside():
    check([-500, -500, 900, 900], sizes_wh=None)
    check([-500, -500, 900, 900], sizes_wh={})


@pytest.mark.parametrize('box', [[5, 5, np.inf, 9], [-np.inf, 5, 6, 9], [5, 5, 6, np.nan]])
def test_a_box_without_end_is_refused_whatever_the_size(box):
    for sizes_wh in (None, SIZES):
        with pytest.raises(EvaluationError, match='is empty, inverted or not finite'):
            check(box, sizes_wh=sizes_wh)


def test_scores_reach_from_0_to_1():
    check(INSIDE, score=0.0)
    check(INSIDE, score=1.0)
    for score in (-0.125, 1.125):
        with pytest.raises(EvaluationError, match=f'score of box 0 is {score}; expected'):
            check(INSIDE, score=score)


def test_the_background_is_no_class():
    with pytest.raises(EvaluationError, match=r'class 0 of box 0: the class list has 1\.\.'):
        check(INSIDE, class_id=0)
