"""Everything that a training needs, built and checked before the first step."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
import logging
import os

import keras
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from ssd_detector.backends.cpu_features import multiplies_bfloat16
from ssd_training.data.batches.order import EpochOrder
from ssd_training.data.batches.pipeline import training_batches, TrainingBatches
from ssd_training.data.datasets import keep_readable, read_splits
from ssd_training.data.images.records import hash_records, Record
from ssd_training.experiments.architecture import Architecture
from ssd_training.experiments.data_schema import DataSettings
from ssd_training.experiments.loss_schema import LossSettings, SamplerSettings
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.experiments.training_schema import AmpSettings
from ssd_training.model.detector import detect
from ssd_training.model.folded_ssd import fold_statistics
from ssd_training.model.initial_weights import draw_weights
from ssd_training.targets.priors import generate_priors
from ssd_training.training.distribution import configure_runtime, Distribution, open_distribution
from ssd_training.training.pretrained import load_pretrained
from ssd_training.training.step.building import add_quantization, build_float_model, build_step
from ssd_training.training.step.schedule import build_schedule, Schedule
from ssd_training.training.step.train_step import loading_size_hw, TrainStep
from ssd_training.training.step.weight_average import WeightAverage
from ssd_training.training.teacher import load_teacher

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Training:
    """
    Everything that a training needs, built and checked.

    :param config: the experiment
    :param model: filled with what it starts from
    :param train_records: of the train split
    :param val_records: of the val split, if there is one; with unreadable_images skip, those that
        can be read
    :param data_sha256: of what both splits' records say
    :param order: in which the training sees its records
    :param schedule: the learning rate
    :param average: of the weights, or None
    :param step: the compiled step
    :param detect: images (B, S, S, 3) to boxes and scores, with the weights that the model has
        when it is called; compiled once
    :param distribution: where the steps run
    """

    config: ExperimentConfig
    model: keras.Model
    train_records: list[Record]
    val_records: list[Record]
    data_sha256: str
    order: EpochOrder
    schedule: Schedule
    average: WeightAverage | None
    step: TrainStep
    detect: Callable[[NDArray[np.float32]], tuple[tf.Tensor, tf.Tensor]]
    distribution: Distribution

    @property
    def steps_per_epoch(self) -> int:
        """Batches of an epoch."""
        return self.order.steps_per_epoch

    @property
    def total_steps(self) -> int:
        """Batches of the whole training."""
        return self.steps_per_epoch * self.config.train.epochs

    def evaluated_weights(self) -> AbstractContextManager[None]:
        """
        Let the model have the weights that are evaluated and kept, while a block runs.

        :return: a context: the average in it, where there is one and `eval_use_ema` wants it
        """
        if self.average is None or not self.config.train.ema.eval_use_ema:
            return nullcontext()
        return self.average.applied()


def prepare(config: ExperimentConfig) -> Training:
    """
    Read the data's lists, build the model, load its weights; write nothing.

    Seeds the global random numbers of Python, NumPy and the backend.

    :param config: the experiment
    :return: what run takes
    """
    configure_runtime(config.runtime)
    keras.utils.set_random_seed(config.train.seed)
    distribution = open_distribution(config.runtime, os.environ)
    train_records, val_records = read_splits(config.data)
    if not val_records:
        logger.info('data.val_split: null; nothing is scored, the last weights are the result')
    warn_of_unused_images(train_records, loss=config.loss, sampler=config.sampler)
    warn_of_slow_bfloat16(config.train.amp)
    order = EpochOrder(len(train_records), config.train.batch_size, config.train.seed)
    schedule = build_schedule(
        config.scheduler, steps_per_epoch=order.steps_per_epoch, epochs=config.train.epochs
    )
    architecture, layer_policy = config.architecture, config.train.amp.layer_policy
    with distribution.scope():
        model = build_float_model(architecture, layer_policy=layer_policy)
        draw_weights(model, config.train.seed)
        load_pretrained(model, architecture, trained_statistics=config.trained_batch_norms())
        model = add_quantization(model, config.quantization)
        average = WeightAverage(model, config.train.ema) if config.train.ema.enabled else None
        step = build_step(
            config,
            model,
            steps_per_epoch=order.steps_per_epoch,
            schedule=schedule,
            average=average,
            teacher=load_teacher(
                config.loss.distillation, architecture, layer_policy=layer_policy
            ),
        )
    return Training(
        config=config,
        model=model,
        train_records=train_records,
        val_records=_evaluable(val_records, config.data),
        data_sha256=hash_records([*train_records, *val_records]),
        order=order,
        schedule=schedule,
        average=average,
        step=step,
        # Evaluation takes the statistics of BatchNorm as they are, also where these train.
        detect=_compile_detection(
            fold_statistics(model) if config.quantization is None else model, architecture
        ),
        distribution=distribution,
    )


def _compile_detection(
    model: keras.Model, architecture: Architecture
) -> Callable[[NDArray[np.float32]], tuple[tf.Tensor, tf.Tensor]]:
    priors_cxcywh = generate_priors(architecture.priors, architecture.input_size)
    shape = (None, *model.input_shape[1:])

    @tf.function(
        input_signature=[tf.TensorSpec(shape, tf.float32)], autograph=False, jit_compile=False
    )
    def run_model(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return detect(
            model,
            images,
            priors_cxcywh,
            architecture.priors.variances,
            activation=architecture.activation,
        )

    return run_model


def warn_of_unused_images(
    records: Sequence[Record], *, loss: LossSettings, sampler: SamplerSettings
) -> None:
    """
    Say in the log that images without objects teach nothing, where the sampler leaves them out.

    :param records: of the train split
    :param loss: the section `loss`
    :param sampler: the section `sampler`
    """
    takes_all = loss.classification.type == 'focal'
    num_empty = sum(not len(record.ground_truths.class_ids) for record in records)
    if num_empty and sampler.min_neg == 0 and not takes_all:
        logger.warning(
            '%d of %d training images have no object and teach nothing: sampler.min_neg is 0; '
            'give 5, or data.empty_images=skip',
            num_empty,
            len(records),
        )


def warn_of_slow_bfloat16(settings: AmpSettings) -> None:
    """
    Say in the log that 16 bits take longer than 32 where the processor can not multiply them.

    :param settings: the section `train.amp`
    """
    is_bfloat16 = settings.enabled and settings.policy == 'mixed_bfloat16'
    if is_bfloat16 and not tf.config.list_logical_devices('GPU') and not multiplies_bfloat16():
        logger.warning(
            'train.amp: this processor has no instructions for bfloat16 (AVX512-BF16, AMX), and '
            'takes longer than in float32, nearly twice as long where it has AVX2 alone; give '
            'train.amp.enabled=false'
        )


def _evaluable(records: list[Record], settings: DataSettings) -> list[Record]:
    """Leave out what the evaluation, an epoch from now, would find broken, if that is allowed."""
    if settings.unreadable_images == 'error' or not records:
        return records
    return keep_readable(records, skips_unreadable=True)


def make_batches(
    training: Training, *, first_step: int = 0, shard_index: int = 0, num_shards: int = 1
) -> TrainingBatches:
    """
    Build the batches of a training, as its configuration wants them read.

    :param training: from prepare
    :param first_step: global step of the first batch
    :param shard_index: number of this worker
    :param num_shards: workers
    :return: see training_batches
    """
    config = training.config
    return training_batches(
        training.train_records,
        config.augmentation,
        size_hw=loading_size_hw(training.step.sizes_px),
        batch_size=config.train.batch_size,
        epochs=config.train.epochs,
        seed=config.train.seed,
        first_step=first_step,
        shard_index=shard_index,
        num_shards=num_shards,
        skips_unreadable=config.data.unreadable_images == 'skip',
        num_workers=config.data.num_workers,
        prefetch_batches=config.data.prefetch_batches,
    )
