"""A whole training: build everything, run the epochs, evaluate, keep the weights."""

from contextlib import nullcontext
from dataclasses import dataclass
import logging
import time

import keras
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from ssd_training.data.datasets import read_splits
from ssd_training.data.order import EpochOrder
from ssd_training.data.pipeline import training_batches
from ssd_training.data.records import Record
from ssd_training.engine.evaluation import evaluate_split, Predict
from ssd_training.engine.run_folder import RunFolder, WEIGHTS
from ssd_training.engine.schedule import build_schedule, Schedule
from ssd_training.engine.train_step import loading_size_hw, TrainStep
from ssd_training.engine.weight_average import WeightAverage
from ssd_training.errors import RunError
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.model.detector import detect
from ssd_training.model.ssd import build_ssd
from ssd_training.model.weights import load_pretrained, save_weights
from ssd_training.targets.matching import GroundTruthBatch
from ssd_training.targets.priors import generate_priors, priors_per_cell

_LOG_EVERY_STEPS = 50

logger = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Training:
    """
    Everything that a training needs, built and checked.

    :param config: the experiment
    :param model: filled with what it starts from
    :param priors_cxcywh: (P, 4) float32
    :param train_records: of the train split
    :param val_records: of the val split
    :param schedule: the learning rate
    :param average: of the weights, or None
    :param step: the compiled step
    :param steps_per_epoch: batches
    """

    config: ExperimentConfig
    model: keras.Model
    priors_cxcywh: NDArray[np.float32]
    train_records: list[Record]
    val_records: list[Record]
    schedule: Schedule
    average: WeightAverage | None
    step: TrainStep
    steps_per_epoch: int


def build_model(config: ExperimentConfig, *, layer_policy: str = 'float32') -> keras.Model:
    """
    Build an experiment's network with random weights.

    :param config: the experiment
    :param layer_policy: what layers compute in; float32 for everything but training
    :return: see build_ssd
    """
    return build_ssd(
        input_size_hw=config.input_size,
        num_classes=config.num_classes,
        priors_per_cell=priors_per_cell(config.priors),
        backbone=config.backbone,
        heads=config.heads,
        activation=config.loss.classification.activation,
        layer_policy=layer_policy,
    )


def prepare(config: ExperimentConfig) -> Training:
    """
    Read the data's lists, build the model, load its weights; write nothing.

    Seeds the global random numbers of Python, NumPy and the backend.

    :param config: the experiment
    :return: what run takes
    """
    keras.utils.set_random_seed(config.train.seed)
    train_records, val_records = read_splits(config.data)
    steps_per_epoch = EpochOrder(
        len(train_records), config.train.batch_size, config.train.seed
    ).steps_per_epoch
    schedule = build_schedule(
        config.scheduler, steps_per_epoch=steps_per_epoch, epochs=config.train.epochs
    )
    model = build_model(config, layer_policy=config.train.amp.layer_policy)
    load_pretrained(model, config.backbone.weights, width_mult=config.backbone.width_mult)
    priors_cxcywh = generate_priors(config.priors, config.input_size)
    average = WeightAverage(model, config.train.ema) if config.train.ema.enabled else None
    step = TrainStep(config, model, schedule=schedule, average=average)
    return Training(
        config=config,
        model=model,
        priors_cxcywh=priors_cxcywh,
        train_records=train_records,
        val_records=val_records,
        schedule=schedule,
        average=average,
        step=step,
        steps_per_epoch=steps_per_epoch,
    )


def run(training: Training, folder: RunFolder) -> dict[str, float]:
    """
    Train all epochs; weights, metrics and log go to the run folder.

    What is evaluated and kept is the moving average, unless train.ema says otherwise.

    :param training: from prepare
    :param folder: from RunFolder.create
    :return: the metrics of the last epoch
    :raises RunError: when the loss is no number any more
    """
    config = training.config
    batches = iter(
        training_batches(
            training.train_records,
            config.augmentation,
            size_hw=loading_size_hw(config),
            batch_size=config.train.batch_size,
            epochs=config.train.epochs,
            seed=config.train.seed,
            skips_unreadable=config.data.unreadable_images == 'skip',
            num_workers=config.data.num_workers,
            prefetch_batches=config.data.prefetch_batches,
        )
    )
    metrics: dict[str, float] = {}
    for epoch in range(1, config.train.epochs + 1):
        metrics = _train_epoch(training, batches, epoch)
        is_last = epoch == config.train.epochs
        average = training.average if config.train.ema.eval_use_ema else None
        with average.applied() if average else nullcontext():
            if is_last or epoch % config.train.eval_every == 0:
                metrics |= _evaluate(training)
            if is_last:
                save_weights(training.model, folder.path / WEIGHTS)
        folder.add_metrics(epoch * training.steps_per_epoch, {'epoch': epoch, **metrics})
    return metrics


def make_predict(training: Training) -> Predict:
    """
    Compile the model for evaluation.

    :param training: from prepare
    :return: a function that uses the model's weights as they are when it is called
    """

    @tf.function(
        input_signature=[tf.TensorSpec(training.model.input_shape, tf.float32)], jit_compile=False
    )
    def run_model(images: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return detect(
            training.model,
            images,
            training.priors_cxcywh,
            training.config.priors.variances,
            activation=training.config.loss.classification.activation,
        )

    def predict(
        images: NDArray[np.float32],
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
        boxes, scores = run_model(images)
        return boxes.numpy(), scores.numpy()

    return predict


def _train_epoch(training: Training, batches, epoch: int) -> dict[str, float]:  # type: ignore[no-untyped-def]
    first_step = (epoch - 1) * training.steps_per_epoch
    start_s, history = time.perf_counter(), []
    for step in range(first_step, first_step + training.steps_per_epoch):
        images, *ground_truths = next(batches)
        loss = training.step(images, GroundTruthBatch(*ground_truths))
        history.append([float(value) for value in loss])
        if not np.isfinite(history[-1][0]):
            raise RunError(
                [
                    f'step {step + 1}: the loss is {history[-1][0]}; training stopped; lower '
                    f'scheduler.base_lr or optimizer.grad_clip_norm'
                ]
            )
        if (step + 1) % _LOG_EVERY_STEPS == 0:
            _log_progress(training, epoch, step + 1, np.mean(history[-_LOG_EVERY_STEPS:], axis=0))
    duration_s = time.perf_counter() - start_s
    num_images = training.steps_per_epoch * training.config.train.batch_size
    total, classification, regression, positives = np.mean(history, axis=0)
    logger.info(
        'epoch %d: loss %.4f in %.1f s, %.1f images/s',
        epoch,
        total,
        duration_s,
        num_images / duration_s,
    )
    return {
        'train/loss': float(total),
        'train/classification_loss': float(classification),
        'train/regression_loss': float(regression),
        'train/num_pos': float(positives),
        'train/lr': float(training.schedule(first_step + training.steps_per_epoch - 1)),
        'train/images_per_s': num_images / duration_s,
    }


def _log_progress(training: Training, epoch: int, step: int, losses: NDArray[np.float64]) -> None:
    logger.info(
        'epoch %d step %d/%d: loss %.4f (class %.4f, box %.4f), lr %.2e',
        epoch,
        step,
        training.steps_per_epoch * training.config.train.epochs,
        *losses[:3],
        float(training.schedule(step - 1)),
    )


def _evaluate(training: Training) -> dict[str, float]:
    config = training.config
    result = evaluate_split(
        make_predict(training),
        training.val_records,
        config.eval,
        labels=config.data.labels,
        size_px=config.input_size[0],
        batch_size=config.train.batch_size,
    )
    logger.info(
        '%s: mAP@%g %.4f', config.data.val_split, config.eval.iou_threshold, result.mean_ap
    )
    name = f'val/voc_ap_{round(100 * config.eval.iou_threshold)}'
    return {
        f'{name}/mAP': result.mean_ap,
        # A label without objects in the split has no AP, and JSON no NaN.
        **{
            f'{name}/AP/{label}': ap
            for label, ap in result.ap_by_label.items()
            if not np.isnan(ap)
        },
    }
