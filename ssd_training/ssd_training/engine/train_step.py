"""One training step, compiled once for the whole training."""

import keras
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from ssd_training.engine.weight_average import WeightAverage
from ssd_training.experiments.training_schema import LossSettings, MatcherSettings, SamplerSettings
from ssd_training.losses.multibox import multibox_loss, MultiboxLoss
from ssd_training.targets.box_coding import Variances
from ssd_training.targets.matching import assign_targets, GroundTruthBatch


class TrainStep:
    """
    Forward, loss, backward, update, average.

    :param model: from build_ssd; BatchNorm keeps its statistics when uses_batch_statistics is off
    :param optimizer: built
    :param average: updated after each step, or None
    :param priors_cxcywh: (P, 4) float32
    :param variances: of the box coding
    :param matcher: the section `matcher`
    :param sampler: the section `sampler`
    :param loss: the section `loss`
    :param uses_batch_statistics: train BatchNorm on the batch's statistics
    """

    def __init__(
        self,
        model: keras.Model,
        optimizer: keras.optimizers.Optimizer,
        *,
        average: WeightAverage | None,
        priors_cxcywh: NDArray[np.float32],
        variances: Variances,
        matcher: MatcherSettings,
        sampler: SamplerSettings,
        loss: LossSettings,
        uses_batch_statistics: bool,
    ) -> None:
        self._model = model
        self._optimizer = optimizer
        self._average = average
        self._priors_cxcywh = priors_cxcywh
        self._variances = variances
        self._matcher = matcher
        self._sampler = sampler
        self._loss = loss
        self._uses_batch_statistics = uses_batch_statistics
        # XLA makes convolutions on CPUs several times slower.
        self._compiled = tf.function(
            self._run, input_signature=self._input_signature(), jit_compile=False
        )

    @property
    def num_traces(self) -> int:
        """How many times the step was compiled."""
        return self._compiled.experimental_get_tracing_count()

    def __call__(self, images: tf.Tensor, ground_truths: GroundTruthBatch) -> MultiboxLoss:
        """
        Train on one batch.

        :param images: (B, H, W, 3) float32, in [0, 1]
        :param ground_truths: of the batch
        :return: the loss before the update
        """
        return self._compiled(images, *ground_truths)

    def _input_signature(self) -> tuple[tf.TensorSpec, ...]:
        return (
            tf.TensorSpec(self._model.input_shape, tf.float32),
            tf.TensorSpec((None, None, 4), tf.float32),
            tf.TensorSpec((None, None), tf.int32),
            tf.TensorSpec((None, None), tf.bool),
        )

    def _run(
        self,
        images: tf.Tensor,
        boxes_xyxy: tf.Tensor,
        class_ids: tf.Tensor,
        is_difficult: tf.Tensor,
    ) -> MultiboxLoss:
        targets = assign_targets(
            self._priors_cxcywh,
            GroundTruthBatch(boxes_xyxy, class_ids, is_difficult),
            iou_threshold_pos=self._matcher.iou_threshold_pos,
            iou_threshold_neg=self._matcher.iou_threshold_neg,
            variances=self._variances,
        )
        with tf.GradientTape() as tape:
            offsets, logits = self._model(images, training=self._uses_batch_statistics)
            loss = multibox_loss(
                offsets,
                logits,
                targets,
                beta=self._loss.regression.beta,
                neg_pos_ratio=self._sampler.neg_pos_ratio,
                min_neg=self._sampler.min_neg,
            )
        gradients = tape.gradient(loss.total, self._model.trainable_variables)
        self._optimizer.apply(gradients, self._model.trainable_variables)
        if self._average is not None:
            self._average.update()
        return loss
