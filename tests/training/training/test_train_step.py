"""The step: what one batch changes, precision, input sizes."""

from collections import Counter

import keras
import numpy as np
import pytest
import tensorflow as tf

from ssd_detector.errors import ConfigError
from ssd_training.model.initial_weights import draw_weights
from ssd_training.model.ssd import at_size
from ssd_training.targets.prior_matching import GroundTruthBatch
from ssd_training.training import trainer
from ssd_training.training.step import building
from ssd_training.training.step.assignment import assign_all
from ssd_training.training.step.freezing import plan_phases
from ssd_training.training.step.objective import Objective
from ssd_training.training.step.schedule import build_schedule
from ssd_training.training.step.train_step import loading_size_hw
from ssd_training.training.step.weight_average import WeightAverage

pytestmark = pytest.mark.usefixtures('unoptimized_graphs')

# Little to compile: what comes before the extra levels does not train.
STEPS_PER_EPOCH = 2
QUALITY = 'loss.classification.quality={low_iou: 0.4, high_iou: 0.9}'
SMALL = ('input_size=[64, 64]', 'backbone.freeze=true', 'backbone.freeze_bn=true')


@pytest.fixture(scope='module')
def make_step(load):
    """Make a step with its model; nothing is compiled before it is called."""

    def make(*overrides):
        config = load('tiny', *SMALL, *overrides)
        model = building.build_float_model(
            config.architecture, layer_policy=config.train.amp.layer_policy
        )
        draw_weights(model, config.train.seed)
        schedule = build_schedule(config.scheduler, steps_per_epoch=STEPS_PER_EPOCH, epochs=50)
        average = WeightAverage(model, config.train.ema) if config.train.ema.enabled else None
        return building.build_step(
            config,
            model,
            steps_per_epoch=STEPS_PER_EPOCH,
            schedule=schedule,
            average=average,
        )

    return make


def random_gradients(step, seed=0):
    rng = np.random.default_rng(seed)
    return [tf.constant(rng.normal(size=own.shape), tf.float32) for own in trained(step)]


def trained(step):
    return step.model.trainable_variables


def values_of(step, prefix=''):
    return {
        name: variable.numpy() for name, variable in step.state.items() if name.startswith(prefix)
    }


def one_batch(size_px):
    """Four images with a bright square each."""
    images = np.full((4, size_px, size_px, 3), 0.1, np.float32)
    images[:, size_px // 4 : size_px // 2, size_px // 4 : size_px // 2] = 0.9
    boxes = np.tile(np.array([0.25, 0.25, 0.5, 0.5], np.float32), (4, 1, 1))
    return images, GroundTruthBatch(boxes, np.full((4, 1), 2, np.int32), np.zeros((4, 1), bool))


def test_two_batches_accumulate_to_the_step_of_their_mean(make_step):
    accumulating, plain = make_step('train.grad_accum_steps=2'), make_step()
    first, second = random_gradients(plain, 1), random_gradients(plain, 2)
    # The second batch completes the step, so it counts for the rate.
    plain.state['step'].assign(1)
    before = values_of(accumulating, 'model/')

    assign_all(accumulating.updates(first))
    between = values_of(accumulating, 'model/')
    assign_all(accumulating.updates(second))
    assign_all(plain.updates([(a + b) / 2 for a, b in zip(first, second, strict=True)]))

    for name, value in values_of(plain, 'model/').items():
        np.testing.assert_array_equal(between[name], before[name], err_msg=name)
        np.testing.assert_allclose(
            accumulating.state[name].numpy(), value, rtol=1e-5, atol=1e-7, err_msg=name
        )
    assert not any(np.any(value) for value in values_of(accumulating, 'accumulators/').values())
    assert accumulating.num_steps == plain.num_steps == 2


def test_an_overflow_halves_the_scale_and_changes_no_weight(make_step):
    step = make_step('train.amp.enabled=true')
    before = values_of(step)
    gradients = random_gradients(step)
    gradients[3] = tf.fill(gradients[3].shape, np.inf)

    assign_all(step.updates(gradients))

    changed = {name for name, value in before.items() if np.any(step.state[name] != value)}
    assert changed == {'step', 'loss_scale/scale'}
    assert step.state['loss_scale/scale'].numpy() == 2**14


def test_the_average_moves_with_the_new_weights_in_the_same_step(make_step):
    step = make_step('train.ema={decay: 0.5, warmup_steps: 1}')

    assign_all(step.updates(random_gradients(step)))

    for name, value in values_of(step, 'model/').items():
        average = step.state[f'average/weights/{name.removeprefix("model/")}']
        np.testing.assert_allclose(average, value, rtol=1e-6, atol=1e-7, err_msg=name)


def test_the_backbone_moves_by_its_factor_under_adamw(make_step):
    plain = make_step('backbone.freeze=false', 'optimizer.weight_decay=0.0')
    slow = make_step(
        'backbone.freeze=false', 'optimizer.weight_decay=0.0', 'backbone.grad_scale=0.1'
    )
    before = values_of(plain, 'model/')
    for step in (plain, slow):
        assign_all(step.updates(random_gradients(step)))

    def ratio(name):
        start = before[name]
        return np.mean(np.abs(slow.state[name] - start)) / np.mean(
            np.abs(plain.state[name] - start)
        )

    assert ratio('model/block_5_project/kernel') == pytest.approx(0.1, rel=1e-2)
    assert ratio('model/Conv1/kernel') == pytest.approx(0.1, rel=1e-2)
    assert ratio('model/head_0_cls/kernel') == pytest.approx(1)
    assert ratio('model/extra_1_reduce/kernel') == pytest.approx(1)


def test_the_state_names_every_variable_once(make_step):
    step = make_step('train.grad_accum_steps=2', 'train.amp.enabled=true')
    state = step.state

    assert len({id(variable) for variable in state.values()}) == len(state)
    num_weights, num_trained = len(step.model.weights), len(trained(step))
    assert Counter(name.partition('/')[0] for name in state) == {
        'step': 1,
        'model': num_weights,
        'optimizer': 1 + 2 * num_trained,
        'average': 1 + num_weights,
        'accumulators': num_trained,
        'loss_scale': 2,
    }


@pytest.mark.parametrize('policy', ['mixed_float16', 'mixed_bfloat16'])
def test_layers_compute_in_16_bits_and_weights_and_outputs_are_float32(make_step, policy):
    model = make_step('train.amp.enabled=true', f'train.amp.policy={policy}').model

    assert model.get_layer('block_3_expand').compute_dtype == policy.removeprefix('mixed_')
    assert model.get_layer('head_0_cls').compute_dtype == policy.removeprefix('mixed_')
    assert {weight.dtype for weight in model.weights} == {'float32'}
    assert {output.dtype for output in model.outputs} == {'float32'}
    assert keras.config.dtype_policy().name == 'float32'


def test_bfloat16_needs_no_loss_scale(make_step):
    step = make_step('train.amp={enabled: true, policy: mixed_bfloat16}')

    assert 'loss_scale/scale' not in step.state


def test_training_in_float16_makes_the_loss_fall_and_keeps_the_scale(make_step):
    step = make_step(
        *('train.amp.enabled=true', 'train.ema.enabled=false', 'scheduler.base_lr=0.1'),
        *('backbone.freeze=false', 'backbone.freeze_until=block_4', 'backbone.freeze_bn=false'),
    )
    images, ground_truths = one_batch(64)

    losses = [float(step(images, ground_truths).total) for _ in range(30)]

    assert losses[-1] < 0.5 * losses[0]
    # A few overflows find the scale; a collapse would go on.
    assert step.state['loss_scale/scale'].numpy() >= 2**5
    assert step.state['optimizer/num_updates'].numpy().min() >= 20
    assert step.num_traces == 1


def test_predicted_boxes_have_a_say_where_they_are_asked(load):
    """Boxes about the priors: some negatives overlap the square by 0.2, no positive by 0.9."""
    both = ('sampler.ignore_iou=0.2', QUALITY)
    config = load('tiny', *SMALL)
    model = building.build_float_model(config.architecture)
    draw_weights(model, config.train.seed)
    for weight in model.weights:
        if 'cls' in weight.path and weight.name == 'bias':
            weight.assign(np.random.default_rng(0).normal(size=weight.shape))
    losses = []
    for asked in ((), both[:1], both[1:], both):
        config = load('tiny', *SMALL, 'sampler.neg_pos_ratio=300', *asked)
        objective = Objective(
            model,
            64,
            priors=config.priors,
            matcher=config.matcher,
            loss=config.loss,
            sampler=config.sampler,
            folds=True,
        )
        losses.append(float(objective(*one_batch(64), observes=False).classification))

    assert len(set(losses)) == 4
    assert losses[0] > losses[1] > 0


def test_a_network_at_another_size_is_the_one_that_is_built_for_it(load):
    """Sides of 96 px are even on all maps, those of 75 px are not."""
    config, other = (load('tiny', f'input_size=[{px}, {px}]') for px in (96, 75))
    model, expected = (
        building.build_model(config.architecture),
        building.build_model(other.architecture),
    )
    expected.set_weights(model.get_weights())
    images = np.random.default_rng(0).random((2, 75, 75, 3), np.float32)

    resized = at_size(model, 75)

    assert {id(weight) for weight in resized.weights} == {id(weight) for weight in model.weights}
    for output, twin in zip(resized(images), expected(images), strict=True):
        np.testing.assert_array_equal(output, twin)


UNFREEZE = (
    'backbone.freeze_until=block_4',
    'backbone.freeze=false',
    'train.ema.enabled=false',
    'train.unfreeze=[{epoch: 2, freeze_until: block_3, freeze_bn: false}]',
)


@pytest.fixture(scope='module')
def unfrozen(make_step):
    """Two epochs, and the state after each of their steps."""
    step = make_step(*UNFREEZE)
    images, ground_truths = one_batch(64)
    states = [values_of(step)]
    for _ in range(2 * STEPS_PER_EPOCH):
        step(images, ground_truths)
        states.append(values_of(step))
    return step, states


def changed_in(states, epoch):
    before, after = states[(epoch - 1) * STEPS_PER_EPOCH], states[epoch * STEPS_PER_EPOCH]
    return {name for name, value in after.items() if np.any(value != before[name])}


def test_blocks_and_statistics_train_from_the_epoch_that_unfreezes_them(unfrozen):
    _, states = unfrozen
    kernels = [f'model/block_{number}_expand/kernel' for number in (3, 4, 5)]
    mean = 'model/block_5_expand_BN/moving_mean'

    trained = [[name in changed_in(states, epoch) for name in kernels] for epoch in (1, 2)]

    assert trained == [[False, False, True], [False, True, True]]
    assert [mean in changed_in(states, epoch) for epoch in (1, 2)] == [False, True]
    assert 'model/block_3_expand_BN/moving_mean' not in changed_in(states, 2)


def test_a_change_of_what_is_frozen_compiles_the_step_once_more(unfrozen):
    step, _ = unfrozen

    assert step.num_traces == 2


def test_moments_are_kept_and_those_of_later_weights_are_as_old_as_their_training(unfrozen):
    """With the count of the whole training Adam's first step would be three times too long."""
    step, states = unfrozen
    paths = [own.path for own in step.model.trainable_variables]
    ages = dict(zip(paths, states[-1]['optimizer/num_updates'], strict=True))

    assert ages['block_5_expand/kernel'] == 2 * STEPS_PER_EPOCH
    assert ages['block_4_expand/kernel'] == STEPS_PER_EPOCH
    moment = 'optimizer/second_moment/block_{}_expand/kernel'
    assert not np.any(states[STEPS_PER_EPOCH][moment.format(4)])
    assert np.any(states[STEPS_PER_EPOCH][moment.format(5)])
    # A step adds a square to 0.999 of this moment.
    before, after = (states[STEPS_PER_EPOCH + more][moment.format(5)] for more in (0, 1))
    assert np.all(after >= 0.998 * before)


def test_a_state_given_back_goes_on_in_its_phase(unfrozen):
    step, states = unfrozen
    images, ground_truths = one_batch(64)
    for name, variable in step.state.items():
        variable.assign(states[STEPS_PER_EPOCH - 1][name])

    step(images, ground_truths)

    for name, value in values_of(step).items():
        np.testing.assert_array_equal(value, states[STEPS_PER_EPOCH][name], err_msg=name)
    assert step.num_traces == 2


@pytest.mark.parametrize(
    ('freeze_until', 'message'),
    [
        ('block_99', r'train.unfreeze.0.freeze_until: block_99: no such block; did you mean'),
        ('block_5', r'train.unfreeze.0.freeze_until: block_5 would freeze blocks that train'),
    ],
)
def test_what_can_not_be_unfrozen_is_said(load, freeze_until, message):
    config = load(
        'tiny',
        'backbone.freeze_until=block_3',
        f'train.unfreeze=[{{epoch: 2, freeze_until: {freeze_until}, freeze_bn: true}}]',
    )

    with pytest.raises(ConfigError, match=message):
        plan_phases(
            building.build_model(config.architecture),
            config.train.unfreeze,
            freeze_bn=config.backbone.freeze_bn,
            steps_per_epoch=1,
        )


def test_each_size_is_compiled_once_and_drawn_from_seed_and_step(make_step):
    sizes = 'train.multi_scale={enabled: true, sizes_px: [64, 96], every_steps: 2}'
    step = make_step(sizes, 'train.ema.enabled=false')
    assert loading_size_hw(step.sizes_px) == (96, 96)
    images, ground_truths = one_batch(96)

    drawn = []
    for _ in range(10):
        drawn.append(step.next_size_px)
        assert np.isfinite(step(images, ground_truths).total)

    assert step.num_traces == 2
    assert drawn[::2] == drawn[1::2]
    assert set(drawn) == {64, 96}
    step.state['step'].assign(4)
    assert step.next_size_px == drawn[4]


def test_the_template_dry_runs(load):
    training = trainer.prepare(
        load('_template', 'data.labels=[red, green, blue]', 'train.batch_size=4')
    )

    assert training.steps_per_epoch >= 1
