"""A training that learns from another network."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from ssd_training.errors import WeightsError
from ssd_training.model.initial_weights import draw_weights
from ssd_training.model.weights import save_weights
from ssd_training.runs.fingerprint import compute_fingerprint
from ssd_training.targets.prior_matching import GroundTruthBatch
from ssd_training.training import trainer
from ssd_training.training.step.building import build_float_model
from ssd_training.training.step.objective import Objective
from ssd_training.training.teacher import load_teacher

pytestmark = pytest.mark.usefixtures('unoptimized_graphs')

SMALL = ('input_size=[64, 64]', 'backbone.freeze_bn=true', 'train.ema.enabled=false')


def taught_by(path, share=1.0):
    return f'loss.distillation={{teacher: {path}, share: {share}}}'


def teacher_of(config):
    return load_teacher(config.loss.distillation, config.architecture, layer_policy='float32')


@pytest.fixture(scope='module')
def teacher_path(load, tmp_path_factory):
    """Write a network that says something of each image, as one that starts anew does not."""
    network = build_float_model(load('tiny', *SMALL).architecture)
    draw_weights(network, 0)
    rng = np.random.default_rng(5)
    for weight in network.weights:
        if weight.path.endswith('variance'):
            weight.assign(rng.uniform(0.1, 0.3, weight.shape))
    for layer in network.layers:
        if layer.name.startswith('head_') and layer.name.endswith(('_box', '_cls')):
            layer.bias.assign(rng.normal(size=layer.bias.shape))
            layer.kernel.assign(rng.normal(scale=0.1, size=layer.kernel.shape))
    path = tmp_path_factory.mktemp('teacher') / 'teacher.weights.h5'
    save_weights(network, path)
    return path


def test_the_teacher_alone_is_learnt_where_it_has_the_whole_share(load, teacher_path):
    """Its outputs are neared, whatever objects there are; the state is as ever."""
    config = load(
        *('tiny', *SMALL, taught_by(teacher_path)),
        *('scheduler.base_lr=0.05', 'scheduler.warmup.steps=1'),
    )
    training = trainer.prepare(config)
    teacher = teacher_of(config)
    images = tf.random.stateless_uniform((4, 64, 64, 3), (1, 2))
    nothing = GroundTruthBatch(
        np.zeros((4, 1, 4), np.float32), np.zeros((4, 1), np.int32), np.zeros((4, 1), bool)
    )

    losses = [float(training.step(images, nothing).total) for _ in range(12)]

    assert losses[-1] < 0.7 * losses[0]
    distances = [
        np.abs(own - wanted).mean()
        for own, wanted in zip(training.model(images), teacher(images), strict=True)
    ]
    assert distances[1] < np.abs(teacher(images)[1]).mean()
    assert sum(name.startswith('model/') for name in training.step.state) == len(
        training.model.weights
    )


def test_a_teacher_that_is_the_student_teaches_nothing(load, teacher_path):
    config = load('tiny', *SMALL, taught_by(teacher_path), f'backbone.weights={teacher_path}')
    training = trainer.prepare(config)
    images = tf.random.stateless_uniform((4, 64, 64, 3), (3, 4))
    boxes = np.tile(np.array([0.2, 0.2, 0.7, 0.7], np.float32), (4, 1, 1))
    objects = GroundTruthBatch(boxes, np.ones((4, 1), np.int32), np.zeros((4, 1), bool))

    loss = training.step(images, objects)

    assert loss.num_positives > 0
    assert float(loss.total) == pytest.approx(0, abs=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ('overrides', 'most'),
    [
        (['train.multi_scale={enabled: true, sizes_px: [64, 96], every_steps: 1}'], 0.01),
        (['train.amp={enabled: true, policy: mixed_bfloat16, loss_scale: dynamic}'], 0.1),
        (['quantization={observed_batches: 2}'], 0.5),
    ],
    ids=['sizes', '16 bits', 'INT8'],
)
def test_a_teacher_and_its_twin_agree_at_each_size_and_precision(
    load, teacher_path, overrides, most
):
    """
    With a rate of nothing the student stays as it starts: the teacher, as it computes.

    The losses are 0, 0 and 0.03; another network starts with 430.
    """
    config = load(
        *('tiny', *SMALL, taught_by(teacher_path), f'backbone.weights={teacher_path}'),
        *('scheduler.base_lr=1e-12', 'scheduler.min_lr=1e-12', *overrides),
    )
    training = trainer.prepare(config)
    size_px = max(training.step.sizes_px)
    boxes = np.tile(np.array([0.2, 0.2, 0.7, 0.7], np.float32), (4, 1, 1))
    objects = GroundTruthBatch(boxes, np.ones((4, 1), np.int32), np.zeros((4, 1), bool))

    losses = []
    for seed in range(4):
        images = tf.random.stateless_uniform((4, size_px, size_px, 3), (seed, 4))
        losses.append(training.step(images, objects))

    assert all(loss.num_positives > 0 for loss in losses)
    assert max(abs(float(loss.total)) for loss in losses) < most


def test_images_without_objects_are_taught_each_as_much_however_many_they_are(load, teacher_path):
    """There are no objects that the sums could be divided by."""
    config = load('tiny', *SMALL, taught_by(teacher_path))
    student = build_float_model(config.architecture)
    draw_weights(student, 1)
    objective = Objective(
        *(student, 64),
        priors=config.priors,
        matcher=config.matcher,
        loss=config.loss,
        sampler=config.sampler,
        teacher=teacher_of(config),
        folds=False,
    )
    image = tf.random.stateless_uniform((1, 64, 64, 3), (5, 6))
    losses = []
    for count in (1, 3):
        nothing = GroundTruthBatch(
            np.zeros((count, 1, 4), np.float32),
            np.zeros((count, 1), np.int32),
            np.zeros((count, 1), bool),
        )
        images = tf.repeat(image, count, axis=0)
        losses.append(float(objective(images, nothing, observes=False).total))

    assert losses[0] > 0.1
    assert losses[1] == pytest.approx(losses[0], rel=1e-4)


def test_a_teacher_counts_by_content_and_none_changes_no_recipe(load, teacher_path, tmp_path):
    copy = shutil.copy(teacher_path, tmp_path / 'copy.weights.h5')
    other = tmp_path / 'other.weights.h5'
    other.write_bytes(teacher_path.read_bytes() + b' ')
    prints = [
        compute_fingerprint(load('tiny', taught_by(path))) for path in (teacher_path, copy, other)
    ]

    assert prints[0] == prints[1] != prints[2]
    plain = compute_fingerprint(load('tiny'))
    assert plain == compute_fingerprint(load('tiny', 'loss.distillation=null')) != prints[0]


@pytest.mark.parametrize(
    ('name', 'problem'),
    [
        ('imagenet', 'imagenet: is no trained detector; give a run folder'),
        ('nowhere.weights.h5', 'nowhere.weights.h5'),
    ],
)
def test_what_can_not_teach_is_refused_by_its_key(name, problem, load):
    config = load('tiny', *SMALL, taught_by(name))
    with pytest.raises(WeightsError) as error:
        teacher_of(config)
    assert problem in str(error.value)
    if name != 'nowhere.weights.h5':
        assert str(error.value).startswith('loss.distillation.teacher: ')


def test_a_teacher_of_another_number_of_classes_is_refused_whatever_is_known_of_it(
    load, teacher_path
):
    config = load('tiny', *SMALL, taught_by(teacher_path), 'data.labels=[square]')
    with pytest.raises(WeightsError, match='is of another number of classes .head_0_cls, head_1'):
        teacher_of(config)


def test_a_folder_that_is_no_run_can_not_teach(load, tmp_path):
    (tmp_path / 'notes.json').write_text(json.dumps({}))
    with pytest.raises(WeightsError, match='loss.distillation.teacher: .*is neither a run folder'):
        teacher_of(load('tiny', *SMALL, taught_by(tmp_path)))
