"""
What a training step costs: matching and loss, a teacher, 16 bits, BatchNorm that trains.

Random images with a few objects each; the variants run in turn within one loop, so that other
load on the machine meets all of them alike.
"""

import argparse
from collections.abc import Callable
import os
from pathlib import Path
import sys
import time

import keras
import numpy as np
from numpy.typing import NDArray
import tensorflow as tf

from ssd_training.experiments.merge import load_experiment
from ssd_training.experiments.schema import ExperimentConfig
from ssd_training.losses.box_quality import ignore_good_boxes
from ssd_training.losses.multibox import count_positives, loss_divisor, multibox_loss
from ssd_training.targets.prior_matching import assign_targets, GroundTruthBatch
from ssd_training.targets.priors import generate_priors
from ssd_training.train import CONFIG_ROOT
from ssd_training.training.step.building import build_float_model, build_step
from ssd_training.training.step.schedule import build_schedule
from ssd_training.training.teacher import load_teacher

OBJECTS_PER_IMAGE = 3
VARIANTS = {
    'bfloat16': ('train.amp.enabled=true', 'train.amp.policy=mixed_bfloat16'),
    'nothing frozen': ('backbone.freeze_until=null',),
    'nothing frozen, bf16': (
        'backbone.freeze_until=null',
        'train.amp.enabled=true',
        'train.amp.policy=mixed_bfloat16',
    ),
    # Its network is that of exp002_ssdlite.
    'nothing frozen, taught': (
        'backbone.freeze_until=null',
        'loss.distillation={teacher: released, share: 0.5}',
    ),
    'BatchNorm trains': ('backbone.freeze_until=null', 'backbone.freeze_bn=false'),
}


def main(argv: list[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: command line, without the program
    :return: 0
    """
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[1])
    parser.add_argument('--experiment', default='exp002_ssdlite')
    parser.add_argument('--batch_size', type=int, default=16)
    parser.add_argument('--steps', type=int, default=8)
    arguments = parser.parse_args(argv)
    config = load(arguments.experiment, f'train.batch_size={arguments.batch_size}')
    batch = make_batch(config)
    variants = {
        'step, float32': make_step(config, batch),
        **{
            f'step, {name}': make_step(
                load(arguments.experiment, f'train.batch_size={arguments.batch_size}', *changes),
                batch,
            )
            for name, changes in VARIANTS.items()
            if name != 'nothing frozen, taught' or arguments.experiment == 'exp002_ssdlite'
        },
        'matching and loss': make_loss(config, batch),
    }
    durations_s = measure(list(variants.values()), num_steps=arguments.steps)
    medians_s = dict(zip(variants, np.median(durations_s, axis=1), strict=True))
    print(
        f'{arguments.experiment}, {config.input_size[0]} px, batch {arguments.batch_size}, '
        f'{os.cpu_count()} cores, median of {arguments.steps}'
    )
    for name, median_s in medians_s.items():
        share = median_s / medians_s['step, float32']
        rate = arguments.batch_size / median_s
        print(f'{name:<28} {1000 * median_s:8.1f} ms {rate:8.1f} images/s {share:6.2f}')
    return 0


def load(experiment: str, *overrides: str) -> ExperimentConfig:
    """
    Load a shipped experiment that starts from random weights.

    :param experiment: its name
    :param overrides: as on the command line
    :return: the experiment
    """
    config, _ = load_experiment(
        Path(f'experiments/{experiment}.yaml'),
        CONFIG_ROOT,
        overrides=('backbone.weights=null', *overrides),
        environment={},
    )
    return config


def make_batch(config: ExperimentConfig) -> tuple[tf.Tensor, GroundTruthBatch]:
    """
    Draw images and objects.

    :param config: the experiment
    :return: what a step takes
    """
    rng = np.random.default_rng(0)
    shape = (config.train.batch_size, OBJECTS_PER_IMAGE)
    starts = rng.uniform(0.0, 0.6, (*shape, 2))
    boxes_xyxy = np.concatenate([starts, starts + rng.uniform(0.1, 0.4, (*shape, 2))], axis=-1)
    images = rng.random((config.train.batch_size, *config.input_size, 3), np.float32)
    ground_truths = GroundTruthBatch(
        tf.constant(boxes_xyxy, tf.float32),
        tf.constant(rng.integers(1, config.architecture.num_classes, shape), tf.int32),
        tf.zeros(shape, tf.bool),
    )
    return tf.constant(images), ground_truths


def make_step(
    config: ExperimentConfig, batch: tuple[tf.Tensor, GroundTruthBatch]
) -> Callable[[], object]:
    """
    Build a network and its training step.

    :param config: the experiment
    :param batch: from make_batch
    :return: a function that trains on the batch
    """
    keras.utils.set_random_seed(0)
    model = build_float_model(config.architecture, layer_policy=config.train.amp.layer_policy)
    schedule = build_schedule(config.scheduler, steps_per_epoch=1000, epochs=3)
    step = build_step(
        config,
        model,
        steps_per_epoch=1000,
        schedule=schedule,
        average=None,
        teacher=load_teacher(
            config.loss.distillation,
            config.architecture,
            layer_policy=config.train.amp.layer_policy,
        ),
    )
    return lambda: float(step(*batch).total)


def make_loss(
    config: ExperimentConfig, batch: tuple[tf.Tensor, GroundTruthBatch]
) -> Callable[[], object]:
    """
    Compile what the step does beside the network: matching, coding, loss, its gradients.

    :param config: the experiment
    :param batch: from make_batch
    :return: a function that does it once
    """
    priors_cxcywh = generate_priors(config.priors, config.input_size)
    rng = np.random.default_rng(1)
    shape = (config.train.batch_size, len(priors_cxcywh))
    outputs = [
        tf.constant(rng.normal(size=(*shape, channels)), tf.float32)
        for channels in (4, config.architecture.num_classes)
    ]

    @tf.function(jit_compile=False)
    def run(offsets: tf.Tensor, logits: tf.Tensor, *ground_truths: tf.Tensor) -> tf.Tensor:
        targets = assign_targets(
            priors_cxcywh,
            GroundTruthBatch(*ground_truths),
            settings=config.matcher,
            variances=config.priors.variances,
        )
        if config.sampler.ignore_iou is not None:
            targets = ignore_good_boxes(
                targets,
                offsets,
                GroundTruthBatch(*ground_truths),
                ignore_iou=config.sampler.ignore_iou,
                priors_cxcywh=priors_cxcywh,
                variances=config.priors.variances,
            )
        with tf.GradientTape() as tape:
            tape.watch([offsets, logits])
            loss = multibox_loss(
                offsets,
                logits,
                targets,
                loss=config.loss,
                sampler=config.sampler,
                priors_cxcywh=priors_cxcywh,
                variances=config.priors.variances,
                divisor=loss_divisor(config.loss, count_positives(targets), shape[0]),
            )
        return tape.gradient(loss.total, [offsets, logits])

    _, ground_truths = batch
    return lambda: run(*outputs, *ground_truths)[0].numpy()


def measure(variants: list[Callable[[], object]], *, num_steps: int) -> NDArray[np.float64]:
    """
    Time functions, in turn.

    :param variants: each does one step
    :param num_steps: counted rounds, after two that compile and warm up
    :return: (variants, num_steps), s
    """
    rows = []
    for _ in range(2 + num_steps):
        row = []
        for run in variants:
            start_s = time.perf_counter()
            run()
            row.append(time.perf_counter() - start_s)
        rows.append(row)
    return np.array(rows[2:]).T


if __name__ == '__main__':
    sys.exit(main())
