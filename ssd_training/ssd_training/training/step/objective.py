"""What one batch has the network learn, at one input size."""

from typing import Any

import keras
import tensorflow as tf

from ssd_training.experiments.loss_schema import LossSettings, MatcherSettings, SamplerSettings
from ssd_training.experiments.model_schema import PriorsSettings
from ssd_training.losses.box_quality import ignore_good_boxes
from ssd_training.losses.distillation import distil, Outputs
from ssd_training.losses.multibox import (
    count_positives,
    loss_divisor,
    multibox_loss,
    MultiboxLoss,
)
from ssd_training.model.folded_ssd import fold_statistics
from ssd_training.model.ssd import at_size
from ssd_training.targets.prior_matching import assign_targets, GroundTruthBatch
from ssd_training.targets.priors import generate_priors

Tensor = Any


class Objective:
    """
    The network, its priors and its loss for images of one size.

    :param model: from build_ssd
    :param size_px: side of the images that the network gets
    :param priors: the section `priors`
    :param matcher: the section `matcher`
    :param loss: the section `loss`
    :param sampler: the section `sampler`
    :param teacher: of the same layers, where loss.distillation wants one
    :param folds: whether a network that observes nothing is computed with folded statistics, which
        is faster
    """

    def __init__(
        self,
        model: keras.Model,
        size_px: int,
        *,
        priors: PriorsSettings,
        matcher: MatcherSettings,
        loss: LossSettings,
        sampler: SamplerSettings,
        teacher: keras.Model | None = None,
        folds: bool,
    ) -> None:
        self._size_hw = (size_px, size_px)
        self._model = self._at_size(model)
        self._folded = fold_statistics(self._model) if folds else self._model
        self._teacher = None if teacher is None else fold_statistics(self._at_size(teacher))
        self._priors_cxcywh = generate_priors(priors, self._size_hw)
        self._variances = priors.variances
        self._matcher = matcher
        self._loss = loss
        self._sampler = sampler

    def __call__(
        self, images: Tensor, ground_truths: GroundTruthBatch, *, observes: bool
    ) -> MultiboxLoss:
        """
        Compute the loss of this replica's part of a batch; runs inside strategy.run.

        :param images: (B, H, W, 3) float32, in [0, 1]; stretched to this size
        :param ground_truths: of the images
        :param observes: whether statistics of BatchNorm and ranges of quantization are observed
        :return: the part that this replica's images have in the loss of the whole batch: the sum
            over replicas is the loss that one replica with all images would have
        """
        targets = assign_targets(
            self._priors_cxcywh,
            ground_truths,
            settings=self._matcher,
            variances=self._variances,
        )
        if images.shape[1:3] != self._size_hw:
            images = tf.image.resize(images, self._size_hw, method='bilinear')
        model = self._model if observes else self._folded
        outputs = Outputs(*model(images, training=observes))
        if self._sampler.ignore_iou is not None:
            targets = ignore_good_boxes(
                targets,
                outputs.offsets,
                ground_truths,
                ignore_iou=self._sampler.ignore_iou,
                priors_cxcywh=self._priors_cxcywh,
                variances=self._variances,
            )
        num_positives, num_images = sum_over_replicas(
            [count_positives(targets), tf.cast(tf.shape(images)[0], tf.float32)]
        )
        divisor = loss_divisor(self._loss, num_positives, num_images)
        own_loss = multibox_loss(
            *outputs,
            targets,
            loss=self._loss,
            sampler=self._sampler,
            priors_cxcywh=self._priors_cxcywh,
            variances=self._variances,
            divisor=divisor,
        )
        if self._teacher is None:
            return own_loss
        return distil(
            own_loss,
            outputs,
            Outputs(*self._teacher(images, training=False)),
            loss=self._loss,
            priors_cxcywh=self._priors_cxcywh,
            variances=self._variances,
            # A teacher has something to say of images without objects, too, however many they are.
            divisor=tf.maximum(divisor, num_images),
        )

    def _at_size(self, model: keras.Model) -> keras.Model:
        is_own_size = model.input_shape[1:3] == self._size_hw
        return model if is_own_size else at_size(model, self._size_hw[0])


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
