"""What the boxes that a network predicts say of the classes that it is to learn there."""

from typing import Any

from keras import ops
import numpy as np
from numpy.typing import NDArray

from ssd_training.experiments.loss_schema import QualitySettings
from ssd_training.losses.regression import box_ious
from ssd_training.targets.box_coding import decode_bounded, Variances
from ssd_training.targets.prior_matching import (
    BACKGROUND,
    GroundTruthBatch,
    IGNORED,
    pairwise_iou,
    Targets,
)

Tensor = Any


def box_qualities(
    offsets: Tensor,
    targets: Targets,
    settings: QualitySettings,
    *,
    priors_cxcywh: NDArray[np.float32],
    variances: Variances,
) -> Tensor:
    """
    Tell how much of its class each prior is to learn; the rest is background.

    A score that has learnt how well the box lies puts the better box first, as in Generalized
    Focal Loss (arXiv:2006.04388, section 3), whose share is the IoU itself. Where boxes count as
    right from one IoU on, those well above it need no more of the class than others.

    :param offsets: (B, P, 4), predicted; no gradient goes there
    :param targets: what the priors are to learn
    :param settings: the section `loss.classification.quality`
    :param priors_cxcywh: (P, 4) float32
    :param variances: of the box coding
    :return: (B, P) float32 in [0, 1]; 1 where a prior is not positive
    """
    boxes, wanted = (
        decode_bounded(each, priors_cxcywh, variances)
        for each in (ops.stop_gradient(offsets), targets.offsets)
    )
    shares = (box_ious(boxes, wanted) - settings.low_iou) / (settings.high_iou - settings.low_iou)
    return ops.where(targets.class_ids > BACKGROUND, ops.clip(shares, 0.0, 1.0), 1.0)


def ignore_good_boxes(
    targets: Targets,
    offsets: Tensor,
    ground_truths: GroundTruthBatch,
    *,
    ignore_iou: float,
    priors_cxcywh: NDArray[np.float32],
    variances: Variances,
) -> Targets:
    """
    Ask no prior for background whose box is that of an object (as YOLO does).

    Such a prior overlaps the object too little to be one of its positives, but what it predicts is
    right, and suppression removes what is double. Of the hardest negatives they are many.

    :param targets: what the priors are to learn
    :param offsets: (B, P, 4), predicted; no gradient goes there
    :param ground_truths: of the batch; difficult objects count, too
    :param ignore_iou: the section `sampler`
    :param priors_cxcywh: (P, 4) float32
    :param variances: of the box coding
    :return: with more ignored priors
    """
    boxes = decode_bounded(ops.stop_gradient(offsets), priors_cxcywh, variances)
    is_object = ops.cast(ground_truths.class_ids, 'int32') > BACKGROUND
    ious = pairwise_iou(ops.cast(ground_truths.boxes_xyxy, 'float32'), boxes)
    is_good = ops.any((ious > ignore_iou) & is_object[..., None], axis=1)
    is_left_out = is_good & (targets.class_ids == BACKGROUND)
    return targets._replace(class_ids=ops.where(is_left_out, IGNORED, targets.class_ids))
