"""The MultiBox loss: softmax cross-entropy with hard negatives, and smooth L1 on positives."""

from typing import Any, NamedTuple

from keras import ops

from ssd_training.targets.matching import BACKGROUND, Targets

Tensor = Any


class MultiboxLoss(NamedTuple):
    """
    The loss and its parts, each a float32 scalar.

    :param total: classification + regression
    :param classification: cross-entropy over positives and hard negatives, by positives
    :param regression: smooth L1 over positives, by positives
    :param num_positives: of the batch
    """

    total: Tensor
    classification: Tensor
    regression: Tensor
    num_positives: Tensor


def multibox_loss(
    offsets: Tensor,
    logits: Tensor,
    targets: Targets,
    *,
    beta: float,
    neg_pos_ratio: float,
    min_neg: int,
) -> MultiboxLoss:
    """
    Compute the loss of a batch (SSD, arXiv:1512.02325, eq. 1), over positives of the whole batch.

    :param offsets: (B, P, 4), predicted
    :param logits: (B, P, C + 1), predicted
    :param targets: what the priors are to learn
    :param beta: see smooth_l1
    :param neg_pos_ratio: see select_hard_negatives
    :param min_neg: see select_hard_negatives
    :return: the loss; without positives it is the plain sum
    """
    is_positive = ops.cast(targets.class_ids > BACKGROUND, 'float32')
    num_positives = ops.sum(is_positive)
    losses = cross_entropy(logits, targets.class_ids)
    is_negative = select_hard_negatives(
        ops.stop_gradient(losses),
        targets.class_ids,
        neg_pos_ratio=neg_pos_ratio,
        min_neg=min_neg,
    )
    is_counted = is_positive + ops.cast(is_negative, 'float32')
    divisor = ops.maximum(num_positives, 1.0)
    classification = ops.sum(losses * is_counted) / divisor
    distances = smooth_l1(ops.cast(offsets, 'float32') - targets.offsets, beta)
    regression = ops.sum(distances * is_positive[..., None]) / divisor
    return MultiboxLoss(classification + regression, classification, regression, num_positives)


def cross_entropy(logits: Tensor, class_ids: Tensor) -> Tensor:
    """
    Compute the softmax cross-entropy of every prior.

    :param logits: (B, P, C + 1)
    :param class_ids: (B, P) int32; ignored priors are treated as background
    :return: (B, P) float32
    """
    log_scores = ops.log_softmax(ops.cast(logits, 'float32'), axis=-1)
    wanted = ops.maximum(class_ids, BACKGROUND)[..., None]
    return -ops.take_along_axis(log_scores, wanted, axis=-1)[..., 0]


def smooth_l1(differences: Tensor, beta: float) -> Tensor:
    """
    Compute smooth L1 (Fast R-CNN, arXiv:1504.08083, eq. 3), element by element.

    :param differences: any shape
    :param beta: above 0; where 0.5 x^2 / beta turns into |x| - 0.5 beta
    :return: the same shape
    """
    distances = ops.abs(differences)
    return ops.where(distances < beta, 0.5 * distances**2 / beta, distances - 0.5 * beta)


def select_hard_negatives(
    losses: Tensor, class_ids: Tensor, *, neg_pos_ratio: float, min_neg: int
) -> Tensor:
    """
    Mark each image's background priors with the largest loss (arXiv:1512.02325, section 2.2).

    :param losses: (B, P) float32, cross-entropy of each prior
    :param class_ids: (B, P) int32; 0 is background, -1 is ignored
    :param neg_pos_ratio: 3 in the paper; the product is rounded down
    :param min_neg: of each image, as far as it has background priors
    :return: (B, P) bool, true only where class_ids is 0; of equal losses the first priors
    """
    is_background = class_ids == BACKGROUND
    num_positives = ops.sum(ops.cast(class_ids > BACKGROUND, 'float32'), axis=1, keepdims=True)
    num_wanted = ops.maximum(ops.floor(neg_pos_ratio * num_positives), float(min_neg))
    # Ranks, not a loss threshold: among equal losses a threshold takes all or none.
    hardest_first = ops.argsort(ops.where(is_background, -losses, float('inf')), axis=1)
    ranks = ops.cast(ops.argsort(hardest_first, axis=1), 'float32')
    return is_background & (ranks < num_wanted)
