"""From images to decoded boxes and scores: one function for evaluation and export."""

from typing import Any

import keras
from keras import ops

from ssd_training.targets.box_coding import cxcywh_to_xyxy, decode_offsets, Variances

Tensor = Any


def detect(
    model: keras.Model, images: Tensor, priors_cxcywh: Tensor, variances: Variances
) -> tuple[Tensor, Tensor]:
    """
    Run the network and decode what it says.

    :param model: from build_ssd
    :param images: (B, S, S, 3) float32, RGB, in [0, 1]
    :param priors_cxcywh: (P, 4) float32
    :param variances: of the box coding
    :return: boxes (B, P, 4) xyxy, normalized, not clipped; scores (B, P, C + 1), softmax
    """
    offsets, logits = model(images, training=False)
    boxes_cxcywh = decode_offsets(offsets, priors_cxcywh, variances)
    return cxcywh_to_xyxy(boxes_cxcywh), ops.softmax(logits, axis=-1)
