"""Box conversions and IoU on NumPy arrays; coordinates are continuous, x2 and y2 are edges."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Float = TypeVar('Float', bound=np.floating)


def cxcywh_to_xyxy(boxes_cxcywh: NDArray[Float]) -> NDArray[Float]:
    """
    Convert centre and size to corners.

    :param boxes_cxcywh: (..., 4), any unit
    :return: (..., 4) of the same dtype and unit
    """
    centers, half_sizes = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return np.concatenate([centers - half_sizes, centers + half_sizes], axis=-1)


def xyxy_to_cxcywh(boxes_xyxy: NDArray[Float]) -> NDArray[Float]:
    """
    Convert corners to centre and size.

    :param boxes_xyxy: (..., 4), any unit
    :return: (..., 4) of the same dtype and unit
    """
    starts, ends = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return np.concatenate([(starts + ends) / 2, ends - starts], axis=-1)


def iou_matrix(boxes_a_xyxy: NDArray[Float], boxes_b_xyxy: NDArray[Float]) -> NDArray[Float]:
    """
    Compute the intersection over union of every pair.

    A box of zero or negative size overlaps nothing: its IoU is 0, also with itself.

    :param boxes_a_xyxy: (N, 4), any unit
    :param boxes_b_xyxy: (M, 4), the same unit
    :return: (N, M), in [0, 1]
    """
    starts = np.maximum(boxes_a_xyxy[:, None, :2], boxes_b_xyxy[None, :, :2])
    ends = np.minimum(boxes_a_xyxy[:, None, 2:], boxes_b_xyxy[None, :, 2:])
    intersections = np.prod(np.maximum(ends - starts, 0), axis=-1)
    unions = areas(boxes_a_xyxy)[:, None] + areas(boxes_b_xyxy)[None, :] - intersections
    ious: NDArray[Float] = np.divide(
        intersections, unions, out=np.zeros_like(intersections), where=intersections > 0
    )
    return ious


def areas(boxes_xyxy: NDArray[Float]) -> NDArray[Float]:
    """
    Compute areas; an inverted box has area 0.

    :param boxes_xyxy: (..., 4), any unit
    :return: (...), unit squared
    """
    sizes_wh = np.maximum(boxes_xyxy[..., 2:] - boxes_xyxy[..., :2], 0)
    result: NDArray[Float] = np.prod(sizes_wh, axis=-1)
    return result
