"""What one batch has the network learn, at one input size."""

from typing import Any

import keras
import tensorflow as tf

from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.losses.multibox import (
    count_positives,
    loss_divisor,
    multibox_loss,
    MultiboxLoss,
)
from ssd_training.model.ssd import at_size
from ssd_training.targets.matching import assign_targets, GroundTruthBatch
from ssd_training.targets.priors import generate_priors

Tensor = Any


class Objective:
    """
    The network, its priors and its loss for images of one size.

    :param config: the experiment
    :param model: from build_ssd, at the experiment's input_size
    :param size_px: side of the images that the network gets
    """

    def __init__(self, config: ExperimentConfig, model: keras.Model, size_px: int) -> None:
        self._config = config
        is_own_size = (size_px, size_px) == tuple(config.input_size)
        self._model = model if is_own_size else at_size(model, size_px)
        self._size_hw = (size_px, size_px)
        self._priors_cxcywh = generate_priors(config.priors, self._size_hw)

    def __call__(
        self, images: Tensor, ground_truths: GroundTruthBatch, *, freeze_bn: bool
    ) -> MultiboxLoss:
        """
        Compute the loss of this replica's part of a batch; runs inside strategy.run.

        :param images: (B, H, W, 3) float32, in [0, 1]; stretched to this size
        :param ground_truths: of the images
        :param freeze_bn: whether the statistics of BatchNorm stay as they are
        :return: the part that this replica's images have in the loss of the whole batch: the sum
            over replicas is the loss that one replica with all images would have
        """
        config = self._config
        targets = assign_targets(
            self._priors_cxcywh,
            ground_truths,
            settings=config.matcher,
            variances=config.priors.variances,
        )
        if images.shape[1:3] != self._size_hw:
            images = tf.image.resize(images, self._size_hw, method='bilinear')
        # Ranges of quantization are observed even where BatchNorm is frozen.
        observes = self._config.quantization is not None or not freeze_bn
        offsets, logits = self._model(images, training=observes)
        num_positives, num_images = sum_over_replicas(
            [count_positives(targets), tf.cast(tf.shape(images)[0], tf.float32)]
        )
        return multibox_loss(
            offsets,
            logits,
            targets,
            loss=config.loss,
            sampler=config.sampler,
            priors_cxcywh=self._priors_cxcywh,
            variances=config.priors.variances,
            divisor=loss_divisor(config.loss, num_positives, num_images),
        )


def sum_over_replicas(values: list[Tensor]) -> list[Tensor]:
    """
    Sum tensors over the replicas that run this very step.

    :param values: of this replica
    :return: the sums, the same on each replica
    """
    context = tf.distribute.get_replica_context()
    if context.num_replicas_in_sync == 1:
        return values
    return context.all_reduce(tf.distribute.ReduceOp.SUM, values)
