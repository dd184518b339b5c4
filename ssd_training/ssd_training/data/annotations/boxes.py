"""Boxes as they were annotated, right or wrong: cut at the edge, turned, as shares."""

import math

Box = tuple[float, float, float, float]

# Tools write boxes with two decimals or three: a side or an edge may be off by so much.
ROUNDING_PX = 0.01


def clip_box(box_xyxy: Box, size_wh: tuple[int, int]) -> Box:
    """
    Cut off what leaves the image.

    :param box_xyxy: edges, px
    :param size_wh: of the image, px
    :return: edges, px
    """
    (x1, y1, x2, y2), (width, height) = box_xyxy, size_wh
    return max(x1, 0.0), max(y1, 0.0), min(x2, float(width)), min(y2, float(height))


def find_usable_box(box_xyxy: Box, size_wh: tuple[int, int], min_size_px: float) -> Box | None:
    """
    Cut off what leaves the image, and see whether enough is left.

    :param box_xyxy: edges, px
    :param size_wh: of the image, px
    :param min_size_px: smaller sides are degenerate
    :return: edges, px; None when the rest is degenerate, or an edge is no number
    """
    clipped = clip_box(box_xyxy, size_wh)
    return None if is_degenerate(clipped, min_size_px) else clipped


def is_degenerate(box_xyxy: Box, min_size_px: float) -> bool:
    """
    Tell whether a side is too short, but for rounding.

    :param box_xyxy: edges, px
    :param min_size_px: smaller sides are degenerate
    :return: whether one is, or an edge is no number
    """
    x1, y1, x2, y2 = box_xyxy
    shortest_px = max(min_size_px - ROUNDING_PX, min(min_size_px, ROUNDING_PX))
    # Not `<`: a NaN is degenerate, too.
    return not (x2 - x1 >= shortest_px and y2 - y1 >= shortest_px)


def turn_box(box_xyxy: Box, degrees: float) -> Box:
    """
    Give the upright box around one that was turned about its centre.

    :param box_xyxy: edges before it was turned
    :param degrees: either way
    :return: edges
    """
    if not degrees % 180:
        return box_xyxy
    (x1, y1, x2, y2), turn = box_xyxy, math.radians(degrees)
    cos, sin = abs(math.cos(turn)) / 2, abs(math.sin(turn)) / 2
    x, y, width, height = (x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1
    dx, dy = width * cos + height * sin, width * sin + height * cos
    return x - dx, y - dy, x + dx, y + dy


def is_normalized(box_xyxy: Box, size_wh: tuple[int, int]) -> bool:
    """
    Tell whether edges look like shares of the image's sides instead of pixels.

    :param box_xyxy: edges; those of VOC, 1 less on the left and at the top
    :param size_wh: of the image, px
    :return: whether they do
    """
    return min(size_wh) > 1 and -1 <= min(box_xyxy) and 0 < max(box_xyxy) <= 1
