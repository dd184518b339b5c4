"""Hard negative mining: which background priors count."""

from typing import Any

from keras import ops

from ssd_training.experiments.loss_schema import SamplerSettings
from ssd_training.targets.prior_matching import BACKGROUND

Tensor = Any


def select_hard_negatives(losses: Tensor, class_ids: Tensor, settings: SamplerSettings) -> Tensor:
    """
    Mark each image's background priors with the largest loss (arXiv:1512.02325, section 2.2).

    :param losses: (B, P) float32, classification loss of each prior
    :param class_ids: (B, P) int32; 0 is background, -1 is ignored
    :param settings: the section `sampler`; the product of ratio and positives is rounded down
    :return: (B, P) bool, true only where class_ids is 0; of equal losses the first priors
    """
    is_background = class_ids == BACKGROUND
    num_positives = ops.sum(ops.cast(class_ids > BACKGROUND, 'float32'), axis=1, keepdims=True)
    num_wanted = ops.floor(settings.neg_pos_ratio * num_positives)
    num_wanted = ops.maximum(num_wanted, float(settings.min_neg))
    if settings.max_neg is not None:
        num_wanted = ops.minimum(num_wanted, float(settings.max_neg))
    # Ranks, not a loss threshold: among equal losses a threshold takes all or none.
    hardest_first = ops.argsort(ops.where(is_background, -losses, float('inf')), axis=1)
    ranks = ops.cast(ops.argsort(hardest_first, axis=1), 'float32')
    return is_background & (ranks < num_wanted)
