"""Tells boxes that were written as two corners where a size is expected."""

from collections.abc import Collection

from ssd_training.data.annotations.boxes import Box

# Fewer are a slip, each of which is a finding.
_FEWEST = 3
# Of a side: rounding leaves a picture by less.
_TOLERANCE = 0.005
# Numbers as they were written, the edges that they mean, and the size of the picture.
WrittenBox = tuple[Box, Box, tuple[float, float]]


def count_leaving(boxes: Collection[WrittenBox]) -> int:
    """
    Count the boxes beyond their pictures' edges, where corners explain them.

    :param boxes: of one file; unit of px or shares
    :return: how many leave their pictures; 0 where these are no more than half, or where some
        box would not lie inside as corners x1, y1, x2, y2
    """
    # A slip of the mouse is no box in any form.
    boxes = [box for box in boxes if _is_upright(box[1])]
    leaving = sum(not _is_inside(edges, size_wh) for _, edges, size_wh in boxes)
    if leaving < _FEWEST or leaving <= len(boxes) / 2:
        return 0
    are_corners = all(
        _is_upright(numbers) and _is_inside(numbers, size_wh) for numbers, _, size_wh in boxes
    )
    return leaving if are_corners else 0


def _is_upright(box_xyxy: Box) -> bool:
    x1, y1, x2, y2 = box_xyxy
    return x1 < x2 and y1 < y2


def _is_inside(box_xyxy: Box, size_wh: tuple[float, float]) -> bool:
    (x1, y1, x2, y2), (width, height) = box_xyxy, size_wh
    x_slack, y_slack = width * _TOLERANCE, height * _TOLERANCE
    is_behind = x1 >= -x_slack and y1 >= -y_slack
    return is_behind and x2 <= width + x_slack and y2 <= height + y_slack
