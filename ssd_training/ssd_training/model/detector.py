"""From images to decoded boxes and scores: one function for evaluation and export."""

from typing import Any

import keras
from keras import ops

from ssd_training.experiments.loss_schema import ScoreActivation
from ssd_training.targets.box_coding import cxcywh_to_xyxy, decode_offsets, Variances

Tensor = Any


def detect(
    model: keras.Model,
    images: Tensor,
    priors_cxcywh: Tensor,
    variances: Variances,
    *,
    activation: ScoreActivation,
) -> tuple[Tensor, Tensor]:
    """
    Run the network and decode what it says.

    :param model: from build_ssd
    :param images: (B, S, S, 3) float32, RGB, in [0, 1]
    :param priors_cxcywh: (P, 4) float32
    :param variances: of the box coding
    :param activation: what the network was trained with
    :return: boxes (B, P, 4) xyxy, normalized, not clipped; scores (B, P, C + 1), the background
        first
    """
    offsets, logits = model(images, training=False)
    offsets = ops.cast(offsets, 'float32')
    boxes_cxcywh = decode_offsets(offsets, priors_cxcywh, variances)
    return cxcywh_to_xyxy(boxes_cxcywh), _score(logits, activation)


def _score(logits: Tensor, activation: ScoreActivation) -> Tensor:
    logits = ops.cast(logits, 'float32')
    if activation == 'softmax':
        return ops.softmax(logits, axis=-1)
    # Losses with sigmoids leave the logit of the background untrained.
    scores = ops.sigmoid(logits[..., 1:])
    return ops.concatenate([1 - ops.max(scores, axis=-1, keepdims=True), scores], axis=-1)
