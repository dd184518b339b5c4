"""Box losses of every prior, in float32."""

import math
from typing import Any

from keras import ops
import numpy as np
from numpy.typing import NDArray

from ssd_training.experiments.loss_schema import RegressionLossSettings
from ssd_training.targets.box_coding import decode_bounded, Variances

Tensor = Any

_SMALLEST = 1e-9


def regression_losses(
    offsets: Tensor,
    wanted_offsets: Tensor,
    settings: RegressionLossSettings,
    *,
    priors_cxcywh: NDArray[np.float32],
    variances: Variances,
) -> Tensor:
    """
    Compute the loss that the settings name.

    :param offsets: (B, P, 4), predicted, any float dtype
    :param wanted_offsets: (B, P, 4) float32
    :param settings: the section `loss.regression`
    :param priors_cxcywh: (P, 4) float32, for giou and ciou
    :param variances: of the box coding, for giou and ciou
    :return: (B, P) float32
    """
    offsets = ops.cast(offsets, 'float32')
    differences = offsets - wanted_offsets
    if settings.type == 'smooth_l1':
        assert settings.beta is not None, 'the schema gives smooth_l1 its beta'
        return ops.sum(smooth_l1(differences, settings.beta), axis=-1)
    if settings.type == 'l1':
        return ops.sum(ops.abs(differences), axis=-1)
    boxes, wanted = (
        decode_bounded(each, priors_cxcywh, variances) for each in (offsets, wanted_offsets)
    )
    return {'giou': giou_losses, 'ciou': ciou_losses}[settings.type](boxes, wanted)


def smooth_l1(differences: Tensor, beta: float) -> Tensor:
    """
    Compute smooth L1 (Fast R-CNN, arXiv:1504.08083, eq. 3), element by element.

    :param differences: any shape
    :param beta: above 0; where 0.5 x^2 / beta turns into |x| - 0.5 beta
    :return: the same shape
    """
    distances = ops.abs(differences)
    return ops.where(distances < beta, 0.5 * distances**2 / beta, distances - 0.5 * beta)


def box_ious(boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
    """
    Compute the intersection over union of each pair.

    :param boxes_xyxy: (..., 4) float32
    :param wanted_xyxy: (..., 4) float32, the same unit
    :return: (...) float32
    """
    return _ious(boxes_xyxy, wanted_xyxy)[0]


def giou_losses(boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
    """
    Compute 1 - GIoU (arXiv:1902.09630) of each pair.

    :param boxes_xyxy: (..., 4) float32
    :param wanted_xyxy: (..., 4) float32, the same unit
    :return: (...) float32, from 0 to 2
    """
    ious, unions = _ious(boxes_xyxy, wanted_xyxy)
    hull_wh = _hulls_wh(boxes_xyxy, wanted_xyxy)
    hulls = ops.maximum(hull_wh[..., 0] * hull_wh[..., 1], _SMALLEST)
    return 1 - ious + (hulls - unions) / hulls


def ciou_losses(boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
    """
    Compute 1 - CIoU (arXiv:1911.08287, eq. 7 to 11) of each pair.

    :param boxes_xyxy: (..., 4) float32
    :param wanted_xyxy: (..., 4) float32, the same unit
    :return: (...) float32; as in the paper the weight of the shape has no gradient
    """
    ious, _ = _ious(boxes_xyxy, wanted_xyxy)
    hull_wh = _hulls_wh(boxes_xyxy, wanted_xyxy)
    shifts = (boxes_xyxy[..., :2] + boxes_xyxy[..., 2:]) / 2
    shifts -= (wanted_xyxy[..., :2] + wanted_xyxy[..., 2:]) / 2
    diagonals = ops.maximum(ops.sum(hull_wh**2, axis=-1), _SMALLEST)
    distances = ops.sum(shifts**2, axis=-1) / diagonals
    turn = _angles(wanted_xyxy) - _angles(boxes_xyxy)
    shapes = 4 / math.pi**2 * turn**2
    weights = ops.stop_gradient(shapes / ops.maximum(1 - ious + shapes, _SMALLEST))
    return 1 - ious + distances + weights * shapes


def _ious(boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> tuple[Tensor, Tensor]:
    starts = ops.maximum(boxes_xyxy[..., :2], wanted_xyxy[..., :2])
    ends = ops.minimum(boxes_xyxy[..., 2:], wanted_xyxy[..., 2:])
    shared_wh = ops.maximum(ends - starts, 0.0)
    shared = shared_wh[..., 0] * shared_wh[..., 1]
    areas = [wh[..., 0] * wh[..., 1] for wh in (_sizes(boxes_xyxy), _sizes(wanted_xyxy))]
    unions = ops.maximum(areas[0] + areas[1] - shared, _SMALLEST)
    return shared / unions, unions


def _hulls_wh(boxes_xyxy: Tensor, wanted_xyxy: Tensor) -> Tensor:
    starts = ops.minimum(boxes_xyxy[..., :2], wanted_xyxy[..., :2])
    return ops.maximum(boxes_xyxy[..., 2:], wanted_xyxy[..., 2:]) - starts


def _sizes(boxes_xyxy: Tensor) -> Tensor:
    return boxes_xyxy[..., 2:] - boxes_xyxy[..., :2]


def _angles(boxes_xyxy: Tensor) -> Tensor:
    sizes = _sizes(boxes_xyxy)
    return ops.arctan2(sizes[..., 0], ops.maximum(sizes[..., 1], _SMALLEST))
