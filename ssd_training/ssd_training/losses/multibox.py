"""The MultiBox loss: classes of positives and negatives, boxes of positives."""

from typing import Any, NamedTuple

from keras import ops
import numpy as np
from numpy.typing import NDArray

from ssd_training.experiments.loss_schema import LossSettings, SamplerSettings
from ssd_training.losses.box_quality import box_qualities
from ssd_training.losses.classification import classification_losses
from ssd_training.losses.mining import select_hard_negatives
from ssd_training.losses.regression import regression_losses
from ssd_training.targets.box_coding import Variances
from ssd_training.targets.prior_matching import BACKGROUND, Targets

Tensor = Any


class MultiboxLoss(NamedTuple):
    """
    The loss and its parts, each a float32 scalar.

    :param total: the parts, weighted
    :param classification: over positives and negatives, by what normalization says
    :param regression: over positives, by what normalization says
    :param num_positives: of the batch
    """

    total: Tensor
    classification: Tensor
    regression: Tensor
    num_positives: Tensor


def count_positives(targets: Targets) -> Tensor:
    """
    Count the positive priors of a batch.

    :param targets: see multibox_loss
    :return: float32 scalar
    """
    return ops.sum(ops.cast(targets.class_ids > BACKGROUND, 'float32'))


def multibox_loss(
    offsets: Tensor,
    logits: Tensor,
    targets: Targets,
    *,
    loss: LossSettings,
    sampler: SamplerSettings,
    priors_cxcywh: NDArray[np.float32],
    variances: Variances,
    divisor: Tensor,
) -> MultiboxLoss:
    """
    Compute the loss of a batch (SSD, arXiv:1512.02325, eq. 1).

    :param offsets: (B, P, 4), predicted
    :param logits: (B, P, C + 1), predicted
    :param targets: what the priors are to learn
    :param loss: the section `loss`
    :param sampler: the section `sampler`; focal loss takes every negative instead
    :param priors_cxcywh: (P, 4) float32
    :param variances: of the box coding
    :param divisor: from loss_divisor, of all replicas together
    :return: the loss
    """
    is_positive = targets.class_ids > BACKGROUND
    losses = classification_losses(logits, targets.class_ids, loss.classification)
    if loss.classification.quality is not None:
        nothing = classification_losses(
            logits, ops.zeros_like(targets.class_ids), loss.classification
        )
        shares = box_qualities(
            offsets,
            targets,
            loss.classification.quality,
            priors_cxcywh=priors_cxcywh,
            variances=variances,
        )
        losses = shares * losses + (1.0 - shares) * nothing
    if loss.classification.type == 'focal':
        is_negative = targets.class_ids == BACKGROUND
    else:
        is_negative = select_hard_negatives(ops.stop_gradient(losses), targets.class_ids, sampler)
    is_counted = ops.cast(is_positive | is_negative, 'float32')
    classification = ops.sum(losses * is_counted) / divisor
    # Elsewhere a prediction may be far enough off to make infinity, and 0 * infinity is no number.
    safe_offsets = ops.where(is_positive[..., None], ops.cast(offsets, 'float32'), targets.offsets)
    distances = regression_losses(
        safe_offsets,
        targets.offsets,
        loss.regression,
        priors_cxcywh=priors_cxcywh,
        variances=variances,
    )
    regression = ops.sum(ops.where(is_positive, distances, 0.0)) / divisor
    total = loss.weights.classification * classification + loss.weights.regression * regression
    return MultiboxLoss(total, classification, regression, count_positives(targets))


def loss_divisor(settings: LossSettings, num_positives: Tensor, num_images: Tensor) -> Tensor:
    """
    Tell what the sums over priors are divided by.

    :param settings: the section `loss`
    :param num_positives: of the batch, of all replicas together
    :param num_images: of the batch, of all replicas together
    :return: float32 scalar, at least 1
    """
    count = num_positives if settings.normalization.type == 'num_pos' else num_images
    return ops.maximum(ops.cast(count, 'float32'), float(settings.normalization.min_pos))
