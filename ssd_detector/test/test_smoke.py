"""What `colcon test` runs where the package was built; the tests proper are in tests/core."""

import numpy as np

from ssd_detector import Thresholds
from ssd_detector.postprocess import postprocess


def test_of_two_boxes_of_an_object_the_better_one_is_reported():
    boxes_normalized_xyxy = np.array([[0.1, 0.1, 0.5, 0.5], [0.1, 0.1, 0.5, 0.52]], np.float32)
    scores = np.array([[0.1, 0.9], [0.2, 0.8]], np.float32)
    found = postprocess(
        boxes_normalized_xyxy,
        scores,
        size_wh=(100, 100),
        labels=('cat',),
        thresholds=Thresholds(),
    )
    assert found.scores.tolist() == [np.float32(0.9)]
