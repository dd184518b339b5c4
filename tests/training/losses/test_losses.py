"""Losses of classes and boxes: values and gradients against slow twins."""

from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest
import tensorflow as tf

from ssd_training.experiments.loss_schema import (
    ClassificationLossSettings,
    RegressionLossSettings,
)
from ssd_training.losses.classification import classification_losses
from ssd_training.losses.regression import (
    ciou_losses,
    giou_losses,
    regression_losses,
    smooth_l1,
)
from tests import reference

PRIORS_CXCYWH = np.array([[0.5, 0.5, 0.4, 0.3], [0.3, 0.6, 0.2, 0.5]], np.float32)
VARIANCES = (0.1, 0.2)
logit_rows = st.lists(st.floats(-6, 6), min_size=3, max_size=3)
# Sides apart from 0: the angle of a box without height is not defined.
corners = st.tuples(st.floats(0, 0.4), st.floats(0, 0.4), st.floats(0.5, 1), st.floats(0.5, 1))


def class_settings(kind, smoothing=0.0):
    focal = (0.25, 2.0) if kind == 'focal' else (None, None)
    return ClassificationLossSettings(kind, smoothing, *focal)


def slow_class_loss(kind, row, class_id, smoothing):
    if kind == 'softmax_ce':
        return reference.softmax_cross_entropy(row, class_id, smoothing)
    alpha, gamma = (0.25, 2.0) if kind == 'focal' else (None, 0.0)
    return reference.sigmoid_focal(row, class_id, smoothing, alpha, gamma)


def numeric_gradient(function, point, step=1e-5):
    """Differentiate in float64, one number at a time."""
    gradient = np.zeros(len(point))
    for index in range(len(point)):
        ahead, behind = np.array(point, float), np.array(point, float)
        ahead[index] += step
        behind[index] -= step
        gradient[index] = (function(ahead) - function(behind)) / (2 * step)
    return gradient


def gradient_of(function, point):
    variable = tf.Variable(np.array(point, np.float32))
    with tf.GradientTape() as tape:
        value = tf.reduce_sum(function(variable))
    return tape.gradient(value, variable).numpy()


@pytest.mark.parametrize('kind', ['softmax_ce', 'sigmoid_ce', 'focal'])
@settings(max_examples=25)
@given(logit_rows, st.integers(0, 2), st.sampled_from([0.0, 0.1]))
def test_class_losses_and_their_gradients_equal_the_slow_reference(kind, row, class_id, smoothing):
    def fast(logits):
        ids = np.array([[class_id]], np.int32)
        return classification_losses(logits[None, None], ids, class_settings(kind, smoothing))

    def slow(logits):
        return slow_class_loss(kind, [float(value) for value in logits], class_id, smoothing)

    np.testing.assert_allclose(
        fast(np.array(row, np.float32)), [[slow(row)]], rtol=1e-4, atol=1e-5
    )
    # Float32 against float64 differences.
    np.testing.assert_allclose(
        gradient_of(fast, row), numeric_gradient(slow, row), rtol=1e-3, atol=1e-4
    )


def test_ignored_priors_have_the_loss_of_background():
    logits = np.array([[[0.5, 1.0, -1.0]] * 2], np.float32)

    losses = classification_losses(
        logits, np.array([[-1, 0]], np.int32), class_settings('softmax_ce')
    )

    assert losses[0, 0] == losses[0, 1]


@settings(max_examples=40)
@given(corners, corners)
def test_giou_and_ciou_and_their_gradients_equal_the_slow_reference(box, wanted):
    # On an edge that both share there is no derivative.
    box = np.array(box) + np.array([0.013, 0.017, 0.019, 0.023])
    weight = reference.ciou_shape_weight(box, wanted)
    pairs = [
        (giou_losses, lambda a: reference.giou_loss(a, wanted)),
        (ciou_losses, lambda a: reference.ciou_loss(a, wanted, weight)),
    ]
    is_smooth = np.abs(box - np.array(wanted)).min() > 1e-3
    for fast, slow in pairs:
        target = np.array(wanted, np.float32)
        value = fast(np.array(box, np.float32), target)
        np.testing.assert_allclose(value, slow(box), rtol=1e-4, atol=1e-5)
        if is_smooth:
            received = gradient_of(lambda a, fast=fast, b=target: fast(a, b), box)
            np.testing.assert_allclose(received, numeric_gradient(slow, box), rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize('loss', [giou_losses, ciou_losses])
def test_box_losses_are_0_for_equal_boxes_and_grow_with_the_distance_between_apart_ones(loss):
    box, near, far = ([0.1, 0.1, 0.3, 0.2], [0.4, 0.1, 0.6, 0.2], [0.7, 0.1, 0.9, 0.2])

    losses = loss(np.array([box] * 3, np.float32), np.array([box, near, far], np.float32))

    assert float(losses[0]) == pytest.approx(0, abs=1e-6)
    assert 1 < losses[1] < losses[2]


@pytest.mark.parametrize('kind', ['smooth_l1', 'l1', 'giou', 'ciou'])
def test_descending_the_gradient_of_a_box_loss_reaches_the_wanted_offsets(kind):
    section = RegressionLossSettings(kind, 1.0 if kind == 'smooth_l1' else None)
    wanted = np.array([[[0.5, -0.3, 0.4, 0.2], [0.1, 0.6, -0.7, 0.3]]], np.float32)
    offsets = tf.Variable(np.zeros((1, 2, 4), np.float32))

    @tf.function
    def descend(length):
        with tf.GradientTape() as tape:
            losses = regression_losses(
                offsets, wanted, section, priors_cxcywh=PRIORS_CXCYWH, variances=VARIANCES
            )
        direction = tape.gradient(losses, offsets)
        offsets.assign_sub(length * direction / (tf.norm(direction) + 1e-9))

    # Steps that shrink: l1 and IoU keep their slope until the end.
    for length in 0.05 * np.float32(0.985) ** np.arange(300, dtype=np.float32):
        descend(tf.constant(length))

    np.testing.assert_allclose(offsets, wanted, atol=0.02)


@given(st.floats(-4, 4), st.sampled_from([0.1, 1.0, 2.0]))
def test_smooth_l1_equals_the_slow_reference(difference, beta):
    loss = float(smooth_l1(np.float32(difference), beta))

    assert loss == pytest.approx(reference.smooth_l1(difference, beta), rel=1e-4, abs=1e-6)
