"""Hard negatives and the loss."""

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
import tensorflow as tf

from ssd_training.losses.multibox import multibox_loss, select_hard_negatives, smooth_l1
from ssd_training.targets.matching import Targets
from tests import reference
from tests.strategies import TIED_SCORES

shapes = st.tuples(st.integers(1, 3), st.integers(1, 9))
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


@given(minings(), st.sampled_from([0.0, 0.5, 1.5, 3.0]), st.integers(0, 3))
def test_hard_negatives_equal_the_slow_reference(mining, ratio, min_neg):
    selected = select_hard_negatives(*mining, neg_pos_ratio=ratio, min_neg=min_neg)

    np.testing.assert_array_equal(
        selected, reference.select_hard_negatives(*mining, ratio, min_neg)
    )


@settings(max_examples=60)
@given(losses(), st.sampled_from([0.5, 1.0]), st.sampled_from([0.0, 3.0]), st.integers(0, 2))
def test_the_loss_equals_the_slow_reference(arrays, beta, ratio, min_neg):
    offsets, logits, wanted_offsets, class_ids = arrays
    loss = multibox_loss(
        offsets,
        logits,
        Targets(wanted_offsets, class_ids),
        beta=beta,
        neg_pos_ratio=ratio,
        min_neg=min_neg,
    )
    expected = reference.multibox_loss(*arrays, beta=beta, ratio=ratio, min_neg=min_neg)

    np.testing.assert_allclose([loss.classification, loss.regression], expected, rtol=1e-5)
    np.testing.assert_allclose(loss.total, sum(expected), rtol=1e-5)
    assert loss.num_positives == np.sum(class_ids > 0)


def test_of_ten_equal_losses_exactly_three_are_taken_for_one_positive():
    class_ids = np.array([[1] + [0] * 9], np.int32)

    selected = select_hard_negatives(
        np.ones((1, 10), np.float32), class_ids, neg_pos_ratio=3.0, min_neg=0
    )

    np.testing.assert_array_equal(selected, [[False, True, True, True] + [False] * 6])


def test_ignored_priors_are_never_taken_whatever_they_cost():
    losses = np.array([[9.0, 9.0, 0.1, 0.0]], np.float32)
    class_ids = np.array([[1, -1, 0, 0]], np.int32)

    selected = select_hard_negatives(losses, class_ids, neg_pos_ratio=3.0, min_neg=0)

    np.testing.assert_array_equal(selected, [[False, False, True, True]])


def test_an_image_without_objects_gives_min_neg_negatives():
    selected = select_hard_negatives(
        np.array([[0.1, 0.3, 0.2]], np.float32),
        np.zeros((1, 3), np.int32),
        neg_pos_ratio=3.0,
        min_neg=2,
    )

    np.testing.assert_array_equal(selected, [[False, True, True]])


@pytest.mark.parametrize('class_id', [-1, 0, 1])
def test_gradients_are_finite_with_and_without_positives(class_id):
    offsets, logits = tf.Variable(tf.zeros((2, 3, 4))), tf.Variable(tf.ones((2, 3, 3)) * 90.0)
    targets = Targets(np.zeros((2, 3, 4), np.float32), np.full((2, 3), class_id, np.int32))

    with tf.GradientTape() as tape:
        loss = multibox_loss(offsets, logits, targets, beta=1.0, neg_pos_ratio=3.0, min_neg=1)
    gradients = tape.gradient(loss.total, [offsets, logits])

    assert np.isfinite(loss.total)
    assert all(np.isfinite(gradient).all() for gradient in gradients if gradient is not None)


@given(st.floats(-4, 4), st.sampled_from([0.1, 1.0, 2.0]))
def test_smooth_l1_equals_the_slow_reference(difference, beta):
    loss = float(smooth_l1(np.float32(difference), beta))

    assert loss == pytest.approx(reference.smooth_l1(difference, beta), rel=1e-4, abs=1e-6)
