"""What a network learns from another one: its scores at every prior, its boxes of objects."""

from typing import Any, NamedTuple

from keras import ops
import numpy as np
from numpy.typing import NDArray

from ssd_training.experiments.loss_schema import LossSettings, ScoreActivation
from ssd_training.losses.multibox import MultiboxLoss
from ssd_training.losses.regression import regression_losses
from ssd_training.targets.box_coding import Variances

Tensor = Any

# Less than this of an object is none: the teacher has learnt no box there.
_LEAST_OBJECTNESS = 0.01


class Outputs(NamedTuple):
    """
    What a network says of a batch.

    :param offsets: (B, P, 4), any float dtype
    :param logits: (B, P, C + 1), any float dtype
    """

    offsets: Tensor
    logits: Tensor


def distil(
    own_loss: MultiboxLoss,
    outputs: Outputs,
    taught: Outputs,
    *,
    loss: LossSettings,
    priors_cxcywh: NDArray[np.float32],
    variances: Variances,
    divisor: Tensor,
) -> MultiboxLoss:
    """
    Let a share of the loss come from another network instead of the objects in the images.

    Scores are compared by the divergence of the teacher's (arXiv:1503.02531, at temperature 1), at
    every prior instead of mined ones: where both see background it is next to nothing. Boxes are
    compared by the loss of boxes, each as much as the teacher sees an object there, and none where
    it sees next to nothing. Teacher and student see the same image, changed in the same way
    (arXiv:2106.05237, section 3).

    :param own_loss: of the objects, from multibox_loss
    :param outputs: of the student
    :param taught: of the teacher; no gradient goes there
    :param loss: the section `loss`, with distillation
    :param priors_cxcywh: (P, 4) float32
    :param variances: of the box coding
    :param divisor: of the sums over priors
    :return: total and parts, of both
    """
    assert loss.distillation is not None, 'the caller has a teacher'
    taught = Outputs(*(ops.stop_gradient(ops.cast(output, 'float32')) for output in taught))
    activation = loss.classification.activation
    divergences = score_divergences(outputs.logits, taught.logits, activation)
    objectness = 1.0 - background_scores(taught.logits, activation)
    is_seen = objectness >= _LEAST_OBJECTNESS
    # Elsewhere boxes may be far enough off to make infinity, and 0 * infinity is no number.
    own_offsets, taught_offsets = (
        ops.where(is_seen[..., None], ops.cast(offsets, 'float32'), 0.0)
        for offsets in (outputs.offsets, taught.offsets)
    )
    distances = regression_losses(
        own_offsets,
        taught_offsets,
        loss.regression,
        priors_cxcywh=priors_cxcywh,
        variances=variances,
    )
    share = loss.distillation.share
    classification = (1 - share) * own_loss.classification + share * ops.sum(divergences) / divisor
    regression = (1 - share) * own_loss.regression + share * (
        ops.sum(ops.where(is_seen, objectness * distances, 0.0)) / divisor
    )
    total = loss.weights.classification * classification + loss.weights.regression * regression
    return MultiboxLoss(total, classification, regression, own_loss.num_positives)


def score_divergences(
    logits: Tensor, taught_logits: Tensor, activation: ScoreActivation
) -> Tensor:
    """
    Compute the Kullback-Leibler divergence of the teacher's scores from a network's.

    :param logits: (B, P, C + 1)
    :param taught_logits: (B, P, C + 1) float32
    :param activation: softmax, or sigmoid: then the sum over classes, without the background
    :return: (B, P) float32, 0 where both agree
    """
    logits = ops.cast(logits, 'float32')
    if activation == 'softmax':
        differences = ops.log_softmax(taught_logits) - ops.log_softmax(logits)
        return ops.sum(ops.softmax(taught_logits) * differences, axis=-1)
    logits, taught_logits = logits[..., 1:], taught_logits[..., 1:]
    # log sigmoid(x) = -softplus(-x), log(1 - sigmoid(x)) = -softplus(x)
    scores = ops.sigmoid(taught_logits)
    present = scores * (ops.softplus(-logits) - ops.softplus(-taught_logits))
    absent = (1.0 - scores) * (ops.softplus(logits) - ops.softplus(taught_logits))
    return ops.sum(present + absent, axis=-1)


def background_scores(logits: Tensor, activation: ScoreActivation) -> Tensor:
    """
    Tell how much each prior is background.

    :param logits: (B, P, C + 1) float32
    :param activation: softmax, or sigmoid: then what the best class leaves
    :return: (B, P) float32, in [0, 1]
    """
    if activation == 'softmax':
        return ops.softmax(logits)[..., 0]
    return 1.0 - ops.max(ops.sigmoid(logits[..., 1:]), axis=-1)
