"""Box coding: from boxes to what the model regresses and back (SSD, arXiv:1512.02325, eq. 2)."""

import math
from typing import Any

from keras import ops

Tensor = Any  # of Keras' backend, or a NumPy array
Variances = tuple[float, float]

# exp of more overflows to infinity long before a box of the image's size needs it.
_LARGEST_GROWTH = math.log(1000.0)


def encode_boxes(boxes_cxcywh: Tensor, priors_cxcywh: Tensor, variances: Variances) -> Tensor:
    """
    Express boxes as offsets from priors.

    :param boxes_cxcywh: (..., P, 4) float32, normalized, sizes above 0
    :param priors_cxcywh: (P, 4) float32
    :param variances: of centres and of sizes
    :return: (..., P, 4) float32: tcx, tcy, tw, th
    """
    centers, sizes = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:]
    prior_centers, prior_sizes = priors_cxcywh[..., :2], priors_cxcywh[..., 2:]
    shifts = (centers - prior_centers) / prior_sizes / variances[0]
    growths = ops.log(sizes / prior_sizes) / variances[1]
    return ops.concatenate([shifts, growths], axis=-1)


def decode_offsets(offsets: Tensor, priors_cxcywh: Tensor, variances: Variances) -> Tensor:
    """
    Turn offsets from priors into boxes; the inverse of encode_boxes.

    :param offsets: (..., P, 4) float32: tcx, tcy, tw, th
    :param priors_cxcywh: (P, 4) float32
    :param variances: of centres and of sizes
    :return: (..., P, 4) float32, cxcywh, normalized, not clipped
    """
    prior_centers, prior_sizes = priors_cxcywh[..., :2], priors_cxcywh[..., 2:]
    centers = prior_centers + offsets[..., :2] * variances[0] * prior_sizes
    sizes = prior_sizes * ops.exp(offsets[..., 2:] * variances[1])
    return ops.concatenate([centers, sizes], axis=-1)


def decode_bounded(offsets: Tensor, priors_cxcywh: Tensor, variances: Variances) -> Tensor:
    """
    Turn offsets that may be anything into boxes with finite sizes.

    :param offsets: (..., P, 4), any float dtype
    :param priors_cxcywh: (P, 4) float32, normalized
    :param variances: of centres and of sizes
    :return: (..., P, 4) float32, xyxy, normalized; at most 1,000 times as large as the prior
    """
    offsets = ops.cast(offsets, 'float32')
    growths = ops.minimum(offsets[..., 2:], _LARGEST_GROWTH / variances[1])
    bounded = ops.concatenate([offsets[..., :2], growths], axis=-1)
    return cxcywh_to_xyxy(decode_offsets(bounded, priors_cxcywh, variances))


def cxcywh_to_xyxy(boxes_cxcywh: Tensor) -> Tensor:
    """
    Convert centre and size to corners.

    :param boxes_cxcywh: (..., 4)
    :return: (..., 4)
    """
    centers, half_sizes = boxes_cxcywh[..., :2], boxes_cxcywh[..., 2:] / 2
    return ops.concatenate([centers - half_sizes, centers + half_sizes], axis=-1)


def xyxy_to_cxcywh(boxes_xyxy: Tensor) -> Tensor:
    """
    Convert corners to centre and size.

    :param boxes_xyxy: (..., 4)
    :return: (..., 4)
    """
    starts, ends = boxes_xyxy[..., :2], boxes_xyxy[..., 2:]
    return ops.concatenate([(starts + ends) / 2, ends - starts], axis=-1)
