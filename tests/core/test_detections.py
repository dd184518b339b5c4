"""Detections."""

import numpy as np
import pytest

from ssd_detector import Detections


def test_empty_has_the_right_shapes_and_types():
    empty = Detections.empty()
    assert len(empty) == 0
    assert empty.boxes_xyxy.shape == (0, 4)
    assert empty.boxes_xyxy.dtype == empty.scores.dtype == np.float32
    assert empty.class_ids.dtype == np.int64


def test_arrays_that_do_not_belong_together_are_refused():
    with pytest.raises(ValueError, match='have shapes .* expected'):
        Detections(np.zeros((2, 4), np.float32), np.zeros(1, np.float32), np.zeros(1, int), ['a'])
