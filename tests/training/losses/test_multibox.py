"""Hard negatives and the loss."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
import tensorflow as tf

from ssd_training.experiments.loss_schema import (
    ClassificationLossSettings,
    LossSettings,
    LossWeights,
    NormalizationSettings,
    RegressionLossSettings,
    SamplerSettings,
)
from ssd_training.losses.mining import select_hard_negatives
from ssd_training.losses.multibox import count_positives, loss_divisor, multibox_loss
from ssd_training.targets.prior_matching import Targets
from tests import reference
from tests.strategies import TIED_SCORES

LOSS = LossSettings(
    classification=ClassificationLossSettings(type='softmax_ce', label_smoothing=0.0),
    regression=RegressionLossSettings(type='smooth_l1', beta=1.0),
    weights=LossWeights(classification=1.0, regression=1.0),
    normalization=NormalizationSettings(type='num_pos', min_pos=1),
)
SAMPLER = SamplerSettings(neg_pos_ratio=3.0, min_neg=0, max_neg=None)

shapes = st.tuples(st.integers(1, 4), st.integers(1, 9))
numbers = st.integers(-24, 24).map(lambda value: value / 8)


@st.composite
def minings(draw):
    shape = draw(shapes)
    return (
        draw(hnp.arrays(np.float32, shape, elements=TIED_SCORES)),
        draw(hnp.arrays(np.int32, shape, elements=st.integers(-1, 2))),
    )


@st.composite
def losses(draw):
    shape = draw(shapes)
    return (
        draw(hnp.arrays(np.float32, (*shape, 4), elements=numbers)),
        draw(hnp.arrays(np.float32, (*shape, 3), elements=numbers)),
        draw(hnp.arrays(np.float32, (*shape, 4), elements=numbers)),
        draw(hnp.arrays(np.int32, shape, elements=st.integers(-1, 2))),
    )


def loss_of(offsets, logits, targets, *, loss=LOSS, sampler=SAMPLER):
    """Compute the loss with priors that cover the image; one replica."""
    num_priors = targets.class_ids.shape[1]
    return multibox_loss(
        offsets,
        logits,
        targets,
        loss=loss,
        sampler=sampler,
        priors_cxcywh=np.tile(np.array([[0.5, 0.5, 1.0, 1.0]], np.float32), (num_priors, 1)),
        variances=(0.1, 0.2),
        divisor=loss_divisor(loss, count_positives(targets), len(targets.class_ids)),
    )


@given(
    minings(),
    st.sampled_from([0.0, 0.5, 1.5, 3.0]),
    st.integers(0, 3),
    st.sampled_from([None, 0, 1, 4]),
)
def test_hard_negatives_equal_the_slow_reference(mining, ratio, min_neg, more):
    max_neg = None if more is None else min_neg + more
    selected = select_hard_negatives(*mining, SamplerSettings(ratio, min_neg, max_neg))

    np.testing.assert_array_equal(
        selected, reference.select_hard_negatives(*mining, ratio, min_neg, max_neg)
    )


@given(losses(), st.sampled_from([0.5, 1.0]), st.sampled_from([0.0, 3.0]), st.integers(0, 2))
def test_the_loss_equals_the_slow_reference(arrays, beta, ratio, min_neg):
    offsets, logits, wanted_offsets, class_ids = arrays
    loss = loss_of(
        offsets,
        logits,
        Targets(wanted_offsets, class_ids),
        loss=dataclasses.replace(LOSS, regression=RegressionLossSettings('smooth_l1', beta)),
        sampler=SamplerSettings(ratio, min_neg, None),
    )
    expected = reference.multibox_loss(*arrays, beta=beta, ratio=ratio, min_neg=min_neg)

    np.testing.assert_allclose([loss.classification, loss.regression], expected, rtol=1e-5)
    np.testing.assert_allclose(loss.total, sum(expected), rtol=1e-5)
    assert loss.num_positives == np.sum(class_ids > 0)


def test_of_ten_equal_losses_exactly_three_are_taken_for_one_positive():
    class_ids = np.array([[1] + [0] * 9], np.int32)

    selected = select_hard_negatives(np.ones((1, 10), np.float32), class_ids, SAMPLER)

    np.testing.assert_array_equal(selected, [[False, True, True, True] + [False] * 6])


@pytest.mark.parametrize(('ratio', 'num_taken'), [(1.5, 1), (2.0, 2), (2.9, 2), (0.9, 0)])
def test_parts_of_a_negative_are_none(ratio, num_taken):
    class_ids = np.array([[1] + [0] * 9], np.int32)

    selected = select_hard_negatives(
        np.ones((1, 10), np.float32), class_ids, SamplerSettings(ratio, 0, None)
    )

    assert np.sum(selected) == num_taken


def test_ignored_priors_are_never_taken_whatever_they_cost():
    losses = np.array([[9.0, 9.0, 0.1, 0.0]], np.float32)
    class_ids = np.array([[1, -1, 0, 0]], np.int32)

    selected = select_hard_negatives(losses, class_ids, SAMPLER)

    np.testing.assert_array_equal(selected, [[False, False, True, True]])


def test_an_image_without_objects_gives_min_neg_negatives():
    selected = select_hard_negatives(
        np.array([[0.1, 0.3, 0.2]], np.float32),
        np.zeros((1, 3), np.int32),
        SamplerSettings(neg_pos_ratio=3.0, min_neg=2, max_neg=None),
    )

    np.testing.assert_array_equal(selected, [[False, True, True]])


@pytest.mark.parametrize('class_id', [-1, 0, 1])
@pytest.mark.parametrize('box_type', ['smooth_l1', 'l1', 'giou', 'ciou'])
@pytest.mark.parametrize('class_type', ['softmax_ce', 'sigmoid_ce', 'focal'])
def test_gradients_are_finite_with_and_without_positives(class_type, box_type, class_id):
    """Predictions far off everywhere: exp(90) of a size, logits of 90."""
    is_focal = class_type == 'focal'
    loss = dataclasses.replace(
        LOSS,
        classification=ClassificationLossSettings(
            class_type, 0.1, 0.25 if is_focal else None, 2.0 if is_focal else None
        ),
        regression=RegressionLossSettings(box_type, 1.0 if box_type == 'smooth_l1' else None),
    )
    offsets, logits = tf.Variable(tf.ones((2, 3, 4)) * 450.0), tf.Variable(tf.ones((2, 3, 3)) * 90)
    targets = Targets(np.zeros((2, 3, 4), np.float32), np.full((2, 3), class_id, np.int32))

    with tf.GradientTape() as tape:
        total = loss_of(offsets, logits, targets, loss=loss).total
    gradients = tape.gradient(total, [offsets, logits])

    assert np.isfinite(total)
    assert all(np.isfinite(gradient).all() for gradient in gradients if gradient is not None)


def test_focal_loss_counts_every_negative_and_no_ignored_prior():
    loss = dataclasses.replace(
        LOSS, classification=ClassificationLossSettings('focal', 0.0, 0.25, 2.0)
    )
    targets = Targets(np.zeros((1, 9, 4), np.float32), np.array([[1, -1] + [0] * 7], np.int32))

    total = loss_of(np.zeros((1, 9, 4)), np.zeros((1, 9, 3)), targets, loss=loss).classification

    one, zero = (reference.sigmoid_focal([0.0] * 3, k, 0.0, 0.25, 2.0) for k in (1, 0))
    assert float(total) == pytest.approx(one + 7 * zero, rel=1e-5)


@pytest.mark.parametrize('box_type', ['smooth_l1', 'l1', 'giou', 'ciou'])
def test_an_infinite_box_where_no_object_is_costs_and_moves_nothing(box_type):
    regression = RegressionLossSettings(box_type, 1.0 if box_type == 'smooth_l1' else None)
    loss = dataclasses.replace(LOSS, regression=regression)
    targets = Targets(np.zeros((1, 2, 4), np.float32), np.array([[1, 0]], np.int32))
    gradients = []
    for beside in (0.0, np.inf):
        offsets = tf.Variable([[[0.5] * 4, [beside] * 4]], dtype=tf.float32)
        with tf.GradientTape() as tape:
            total = loss_of(offsets, tf.zeros((1, 2, 3)), targets, loss=loss).regression
        gradients.append(tape.gradient(total, offsets).numpy())
        assert np.isfinite(total)

    np.testing.assert_array_equal(*gradients)
    assert gradients[1][0, 0].any() and not gradients[1][0, 1].any()


def test_a_batch_with_fewer_positives_is_divided_by_the_least_number():
    settings = dataclasses.replace(LOSS, normalization=NormalizationSettings('num_pos', 5))

    assert [float(loss_divisor(settings, count, 2)) for count in (0, 4, 7)] == [5, 5, 7]


def test_weights_and_the_kind_of_divisor_count():
    targets = Targets(np.zeros((2, 3, 4), np.float32), np.full((2, 3), 1, np.int32))
    arrays = np.ones((2, 3, 4), np.float32), np.ones((2, 3, 3), np.float32), targets
    by_positives = loss_of(*arrays)
    weighted = dataclasses.replace(
        LOSS,
        weights=LossWeights(classification=0.5, regression=2.0),
        normalization=NormalizationSettings('batch_size', 1),
    )

    by_images = loss_of(*arrays, loss=weighted)

    # Six positives, two images.
    assert float(by_images.regression) == pytest.approx(3 * float(by_positives.regression))
    expected = 0.5 * by_images.classification + 2.0 * by_images.regression
    assert float(by_images.total) == pytest.approx(float(expected))


def test_losses_are_float32_whatever_the_network_computes_in():
    targets = Targets(np.zeros((1, 2, 4), np.float32), np.full((1, 2), 1, np.int32))
    # 300 ** 2 is more than float16 holds.
    offsets = tf.cast(tf.fill((1, 2, 4), 300.0), tf.float16)

    loss = loss_of(offsets, tf.zeros((1, 2, 3), tf.float16), targets)

    assert {value.dtype for value in loss} == {tf.float32}
    assert float(loss.regression) == pytest.approx(4 * 299.5)
