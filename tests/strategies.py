"""Hypothesis strategies for boxes and scores: empty, one, equal, touching, degenerate, huge."""

from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detections

# A coarse grid makes equal, touching and degenerate boxes common instead of a matter of luck.
_GRID = st.integers(0, 8).map(lambda step: step / 8)
# ROS ends a text at the first \0.
texts = st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0'), max_size=9)
# A few values only: ties in scores are where orderings go wrong.
TIED_SCORES = st.sampled_from([0.0, 0.25, 0.5, 0.5000001, 0.75, 1.0])


@st.composite
def boxes_xyxy(
    draw: st.DrawFn, *, min_size: int = 0, max_size: int = 8, scale: float = 1.0
) -> NDArray[np.float32]:
    """
    Draw boxes with x1 <= x2, y1 <= y2.

    :param draw: given by hypothesis
    :param min_size: boxes at least
    :param max_size: boxes at most
    :param scale: the largest coordinate
    :return: (N, 4) float32
    """
    count = draw(st.integers(min_size, max_size))
    corners = draw(hnp.arrays(np.float32, (count, 2, 2), elements=_GRID))
    return np.sort(corners, axis=1).reshape(count, 4) * np.float32(scale)


def scores(count: int) -> st.SearchStrategy[NDArray[np.float32]]:
    """
    Draw scores with many ties.

    :param count: N
    :return: strategy of (N,) float32
    """
    return hnp.arrays(np.float32, count, elements=TIED_SCORES.map(np.float32))


@st.composite
def detections(draw: st.DrawFn) -> Detections:
    """
    Draw what is found in an image of 640 px, with labels of all lengths.

    :param draw: given by hypothesis
    :return: a few detections, or none
    """
    boxes = draw(boxes_xyxy(scale=640))
    count = len(boxes)
    return Detections(
        boxes_xyxy=boxes,
        scores=draw(scores(count)),
        class_ids=np.arange(1, count + 1),
        labels=draw(st.lists(texts, min_size=count, max_size=count)),
    )
