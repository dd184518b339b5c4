"""Training steps."""

from contextlib import contextmanager
import random

import keras
import numpy as np
import pytest

from ssd_training.data.batches.pipeline import training_batches
from ssd_training.data.datasets import read_split
from ssd_training.model.detector import detect
from ssd_training.runs.state import read_state
from ssd_training.targets.prior_matching import GroundTruthBatch
from ssd_training.targets.priors import generate_priors
from ssd_training.training import trainer
from tests.training.conftest import UNCHANGED
from tests.training.shapes_voc import write_image, write_shapes_voc

pytestmark = pytest.mark.usefixtures('unoptimized_graphs')

SMALL = ('input_size=[64, 64]',)
FROZEN = (
    *SMALL,
    *('backbone.freeze_until=block_3', 'backbone.freeze_bn=true', 'train.ema.decay=0.05'),
)


def batches_for(training):
    config = training.config
    return iter(
        training_batches(
            training.train_records,
            config.augmentation,
            size_hw=config.input_size,
            batch_size=config.train.batch_size,
            epochs=config.train.epochs,
            seed=config.train.seed,
        )
    )


def train_three_steps(training, batches):
    values = [values_of(training.model)]
    for _ in range(3):
        images, *ground_truths = next(batches)
        training.step(images, GroundTruthBatch(*ground_truths))
        values.append(values_of(training.model))
    return values


def values_of(model):
    return {weight.path: weight.numpy() for weight in model.weights}


@contextmanager
def weights_restored(training):
    before = training.model.get_weights()
    yield
    training.model.set_weights(before)


def test_val_images_that_can_not_be_read_are_known_before_the_first_epoch(load, tmp_path, caplog):
    voc = write_shapes_voc(tmp_path)
    name = (voc / 'ImageSets/Main/val.txt').read_text().split()[1]
    (voc / f'JPEGImages/{name}.jpg').write_bytes(b'no image')
    config = load('tiny', *SMALL, f'data.root={voc}', 'data.unreadable_images=skip')
    training = trainer.prepare(config)
    assert len(training.val_records) == 3
    assert name not in [record.image_id for record in training.val_records]
    assert f'{name}.jpg: can not be read as an image' in caplog.text
    assert 'left out, 1 in all' in caplog.text


def test_a_training_sees_its_images_as_the_section_augmentation_says(load):
    green = '{probability: 1.0, max_ratio: 4.0, fill_rgb: [0.0, 1.0, 0.0]}'
    training = trainer.prepare(load('tiny', *SMALL, *UNCHANGED, f'augmentation.expand={green}'))

    images, *_ = next(iter(trainer.make_batches(training)))

    shares = np.mean(np.all(images == np.float32([0, 1, 0]), axis=-1), axis=(1, 2))
    assert np.all(shares > 0) and shares.mean() > 0.3


@pytest.mark.parametrize(
    ('overrides', 'is_said'),
    [
        ([], False),
        (['sampler.min_neg=0'], True),
        (['sampler.min_neg=0', 'data.empty_images=skip'], False),
    ],
)
def test_images_without_objects_that_teach_nothing_are_said(
    overrides, is_said, load, tmp_path, caplog
):
    voc = write_shapes_voc(tmp_path)
    write_image(voc, '000001', [])
    write_image(voc, '000002', [])
    config = load('tiny', f'data.root={voc}', *overrides)

    trainer.warn_of_unused_images(
        read_split(config.data, 'train'), loss=config.loss, sampler=config.sampler
    )

    words = '2 of 8 training images have no object and teach nothing: sampler.min_neg is 0'
    assert (words in caplog.text) == is_said


@pytest.mark.parametrize(
    ('policy', 'has_instructions', 'is_said'),
    [
        ('mixed_bfloat16', False, True),
        ('mixed_bfloat16', True, False),
        ('mixed_float16', False, False),
        (None, False, False),
    ],
)
def test_bfloat16_is_said_to_be_slow_where_it_is(
    policy, has_instructions, is_said, load, monkeypatch, caplog
):
    monkeypatch.setattr(trainer, 'multiplies_bfloat16', lambda: has_instructions)
    overrides = [f'train.amp.policy={policy}', 'train.amp.enabled=true'] if policy else []

    trainer.warn_of_slow_bfloat16(load('tiny', *overrides).train.amp)

    assert ('give train.amp.enabled=false' in caplog.text) == is_said


@pytest.fixture(scope='module')
def frozen_config(load):
    return load('tiny', *FROZEN)


@pytest.fixture(scope='module')
def frozen_training(frozen_config):
    """Early blocks and the statistics of BatchNorm do not train; compiled once for this file."""
    training = trainer.prepare(frozen_config)
    return training, train_three_steps(training, batches_for(training))


def test_frozen_blocks_and_statistics_stay_and_all_else_trains(frozen_training):
    training, (before, *_, after) = frozen_training

    changed = {path for path in before if not np.array_equal(before[path], after[path])}

    trainable = {weight.path for weight in training.model.trainable_weights}
    assert changed <= trainable
    # In a random network some gradients are too small to move a gamma of 1.
    assert len(changed) > 0.9 * len(trainable)
    assert not any('moving' in path or path.startswith('block_3_') for path in changed)
    assert {'block_4_expand/kernel', 'block_6_expand_BN/gamma', 'head_0_cls/bias'} <= changed


def test_what_is_detected_is_what_the_network_says_with_the_weights_that_are_evaluated(
    frozen_training,
):
    training, _ = frozen_training
    architecture = training.config.architecture
    priors_cxcywh = generate_priors(architecture.priors, architecture.input_size)
    images = np.random.default_rng(2).random((2, 64, 64, 3), np.float32)

    def compare():
        expected = detect(
            *(training.model, images, priors_cxcywh, architecture.priors.variances),
            activation=architecture.activation,
        )
        actual = training.detect(images)
        for one, other in zip(expected, actual, strict=True):
            np.testing.assert_allclose(other, one, atol=1e-5)
        return actual[1].numpy()

    with weights_restored(training):
        bias = training.model.get_layer('head_0_cls').bias
        bias.assign_add(np.arange(bias.shape[0], dtype=np.float32))
        of_training = compare()
        with training.evaluated_weights():
            of_average = compare()
        assert np.abs(of_training - of_average).max() > 0.1
        np.testing.assert_array_equal(compare(), of_training)


def test_what_is_averaged_has_the_decay_of_train_ema(frozen_training):
    training, (start, *later) = frozen_training
    kernel = training.model.get_layer('head_0_cls').kernel
    expected = start[kernel.path]
    for values in later:
        expected = 0.05 * expected + 0.95 * values[kernel.path]

    with training.average.applied():
        np.testing.assert_allclose(kernel, expected, rtol=1e-4, atol=1e-7)


def test_the_step_is_compiled_once_whatever_the_number_of_objects(frozen_training):
    training, _ = frozen_training
    images = np.zeros((4, 64, 64, 3), np.float32)
    with weights_restored(training):
        for num_objects in (0, 1, 5):
            loss = training.step(
                images,
                GroundTruthBatch(
                    np.zeros((4, num_objects, 4), np.float32),
                    np.zeros((4, num_objects), np.int32),
                    np.zeros((4, num_objects), bool),
                ),
            )
            assert np.isfinite(loss.total)

    assert training.step.num_traces == 1


def test_two_trainings_with_one_seed_have_equal_weights_bit_for_bit(
    frozen_training, frozen_config, monkeypatch
):
    """The second one takes the step of the first: killed runs show the same of two steps."""
    first, expected = frozen_training
    seed_everything = keras.utils.set_random_seed

    def seed_and_draw(seed):
        # As a thread of a library does that waits before it asks a server again.
        seed_everything(seed)
        random.random()

    monkeypatch.setattr(keras.utils, 'set_random_seed', seed_and_draw)

    second = trainer.prepare(frozen_config)
    for name, value in read_state(second.step.state).items():
        first.step.state[name].assign(value)
    found = train_three_steps(first, batches_for(second))

    for values, others in zip(found, expected, strict=True):
        for path, value in values.items():
            np.testing.assert_array_equal(value, others[path], err_msg=path)


@pytest.mark.slow
def test_the_loss_of_one_batch_falls_by_half_in_thirty_steps(load):
    """All layers train, which takes 10 s to compile; test_smoke.py shows them learn, too."""
    training = trainer.prepare(load('tiny', *SMALL, 'train.epochs=15', 'scheduler.base_lr=0.01'))
    images, *ground_truths = next(batches_for(training))

    losses = [
        float(training.step(images, GroundTruthBatch(*ground_truths)).total) for _ in range(30)
    ]

    assert losses[-1] < 0.5 * losses[0]
