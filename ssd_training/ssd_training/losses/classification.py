"""Classification losses of every prior, in float32."""

from typing import Any

from keras import ops

from ssd_training.experiments.loss_schema import ClassificationLossSettings
from ssd_training.targets.prior_matching import BACKGROUND

Tensor = Any


def classification_losses(
    logits: Tensor, class_ids: Tensor, settings: ClassificationLossSettings
) -> Tensor:
    """
    Compute the loss that the settings name.

    :param logits: (B, P, C + 1), any float dtype
    :param class_ids: (B, P) int32; ignored priors are treated as background
    :param settings: the section `loss.classification`
    :return: (B, P) float32
    """
    wanted = ops.maximum(class_ids, BACKGROUND)
    if settings.type == 'softmax_ce':
        return softmax_cross_entropy(logits, wanted, label_smoothing=settings.label_smoothing)
    if settings.type == 'sigmoid_ce':
        return sigmoid_cross_entropy(logits, wanted, label_smoothing=settings.label_smoothing)
    assert settings.focal_alpha is not None, 'the schema gives focal its alpha'
    assert settings.focal_gamma is not None, 'the schema gives focal its gamma'
    return sigmoid_focal(
        logits,
        wanted,
        label_smoothing=settings.label_smoothing,
        alpha=settings.focal_alpha,
        gamma=settings.focal_gamma,
    )


def softmax_cross_entropy(logits: Tensor, class_ids: Tensor, *, label_smoothing: float) -> Tensor:
    """
    Compute the softmax cross-entropy of every prior.

    :param logits: (B, P, C + 1)
    :param class_ids: (B, P) int32, from 0
    :param label_smoothing: share of the target spread over all classes (arXiv:1512.00567, sec. 7)
    :return: (B, P) float32
    """
    log_scores = ops.log_softmax(ops.cast(logits, 'float32'), axis=-1)
    losses = -ops.take_along_axis(log_scores, class_ids[..., None], axis=-1)[..., 0]
    if label_smoothing == 0:
        return losses
    return (1 - label_smoothing) * losses - label_smoothing * ops.mean(log_scores, axis=-1)


def sigmoid_cross_entropy(logits: Tensor, class_ids: Tensor, *, label_smoothing: float) -> Tensor:
    """
    Sum the binary cross-entropies of the classes; the logit of the background takes no part.

    :param logits: (B, P, C + 1)
    :param class_ids: (B, P) int32, from 0
    :param label_smoothing: half of it is what a wrong class is asked for
    :return: (B, P) float32
    """
    logits, targets = _binary_targets(logits, class_ids, label_smoothing)
    return ops.sum(_binary_cross_entropy(logits, targets), axis=-1)


def sigmoid_focal(
    logits: Tensor, class_ids: Tensor, *, label_smoothing: float, alpha: float, gamma: float
) -> Tensor:
    """
    Sum the focal losses of the classes (RetinaNet, arXiv:1708.02002, eq. 5).

    :param logits: (B, P, C + 1); that of the background takes no part
    :param class_ids: (B, P) int32, from 0
    :param label_smoothing: as in sigmoid_cross_entropy
    :param alpha: weight where the class is wanted; 1 - alpha where it is not
    :param gamma: 0 is cross-entropy
    :return: (B, P) float32
    """
    logits, targets = _binary_targets(logits, class_ids, label_smoothing)
    scores = ops.sigmoid(logits)
    misses = targets * (1 - scores) + (1 - targets) * scores
    weights = targets * alpha + (1 - targets) * (1 - alpha)
    # The gradient of 0 ** gamma is infinite below gamma 1.
    focus = ops.power(ops.maximum(misses, 1e-7), gamma)
    return ops.sum(weights * focus * _binary_cross_entropy(logits, targets), axis=-1)


def _binary_targets(
    logits: Tensor, class_ids: Tensor, label_smoothing: float
) -> tuple[Tensor, Tensor]:
    """Give logits and targets of the classes without the background, (B, P, C) float32."""
    targets = ops.one_hot(class_ids, logits.shape[-1], dtype='float32')[..., 1:]
    smoothed = targets * (1 - label_smoothing) + label_smoothing / 2
    return ops.cast(logits, 'float32')[..., 1:], smoothed


def _binary_cross_entropy(logits: Tensor, targets: Tensor) -> Tensor:
    # Written with max and abs the gradient at 0 would be that of neither side.
    return ops.softplus(logits) - logits * targets
