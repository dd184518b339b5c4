"""Losses of classes and boxes: values and gradients against slow twins."""

import math

from hypothesis import given
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
logits = st.floats(-6, 6)
# Several at once: what TensorFlow costs is the call.
logit_rows = st.lists(
    st.tuples(st.tuples(logits, logits, logits), st.integers(0, 2)), min_size=1, max_size=9
)
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


def with_gradients(function, points):
    """Give a value and a gradient for each point; no value depends on another's point."""
    variable = tf.Variable(np.array(points, np.float32))
    with tf.GradientTape() as tape:
        values = function(variable)
        total = tf.reduce_sum(values)
    return values.numpy(), tape.gradient(total, variable).numpy()


@pytest.mark.parametrize('kind', ['softmax_ce', 'sigmoid_ce', 'focal'])
@given(logit_rows, st.sampled_from([0.0, 0.1]))
def test_class_losses_and_their_gradients_equal_the_slow_reference(kind, drawn, smoothing):
    rows, class_ids = [row for row, _ in drawn], [class_id for _, class_id in drawn]

    def fast(logits):
        ids = np.array([class_ids], np.int32)
        return classification_losses(logits[None], ids, class_settings(kind, smoothing))

    def slow(row, class_id):
        return slow_class_loss(kind, [float(value) for value in row], class_id, smoothing)

    losses, gradients = with_gradients(fast, rows)
    np.testing.assert_allclose(losses[0], [slow(*pair) for pair in drawn], rtol=1e-4, atol=1e-5)
    # Float32 against float64 differences.
    expected = [
        numeric_gradient(lambda row, class_id=class_id: slow(row, class_id), row)
        for row, class_id in drawn
    ]
    np.testing.assert_allclose(gradients, expected, rtol=1e-3, atol=1e-4)


def test_ignored_priors_have_the_loss_of_background():
    logits = np.array([[[0.5, 1.0, -1.0]] * 2], np.float32)

    losses = classification_losses(
        logits, np.array([[-1, 0]], np.int32), class_settings('softmax_ce')
    )

    assert losses[0, 0] == losses[0, 1]


def giou_of(wanted, box):
    return lambda moved: reference.giou_loss(moved, wanted)


def ciou_of(wanted, box):
    weight = reference.ciou_shape_weight(box, wanted)
    return lambda moved: reference.ciou_loss(moved, wanted, weight)


@pytest.mark.parametrize(('fast', 'slow_of'), [(giou_losses, giou_of), (ciou_losses, ciou_of)])
@given(st.lists(st.tuples(corners, corners), min_size=1, max_size=9))
def test_losses_of_overlap_and_their_gradients_equal_the_slow_reference(fast, slow_of, pairs):
    # On an edge that both share there is no derivative.
    boxes = np.array([box for box, _ in pairs]) + np.array([0.013, 0.017, 0.019, 0.023])
    wanted = np.array([target for _, target in pairs])
    slow = [slow_of(tuple(target), box) for target, box in zip(wanted, boxes, strict=True)]

    values, gradients = with_gradients(lambda moved: fast(moved, np.float32(wanted)), boxes)

    expected = [loss_of(box) for loss_of, box in zip(slow, boxes, strict=True)]
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-5)
    for loss_of, box, target, gradient in zip(slow, boxes, wanted, gradients, strict=True):
        if np.abs(box - target).min() > 1e-3:
            np.testing.assert_allclose(
                gradient, numeric_gradient(loss_of, box), rtol=1e-2, atol=1e-3
            )


@pytest.mark.parametrize('loss', [giou_losses, ciou_losses])
def test_box_losses_are_0_for_equal_boxes_and_grow_with_the_distance_between_apart_ones(loss):
    box, near, far = ([0.1, 0.1, 0.3, 0.2], [0.4, 0.1, 0.6, 0.2], [0.7, 0.1, 0.9, 0.2])

    losses = loss(np.array([box] * 3, np.float32), np.array([box, near, far], np.float32))

    assert float(losses[0]) == pytest.approx(0, abs=1e-6)
    assert 1 < losses[1] < losses[2]


@pytest.mark.parametrize('loss', [giou_losses, ciou_losses])
def test_box_losses_of_several_images_are_those_of_one(loss):
    starts = np.random.default_rng(0).uniform(0, 0.4, (2, 2, 3, 2))
    boxes, wanted = np.concatenate([starts, starts + 0.3], axis=-1).astype(np.float32)

    several = loss(boxes, wanted)

    expected = [loss(*pair) for pair in zip(boxes, wanted, strict=True)]
    np.testing.assert_allclose(several, expected, rtol=1e-6)


@pytest.mark.parametrize('kind', ['smooth_l1', 'l1', 'giou', 'ciou'])
def test_descending_the_gradient_of_a_box_loss_reaches_the_wanted_offsets(kind):
    section = RegressionLossSettings(kind, 1.0 if kind == 'smooth_l1' else None)
    wanted = np.array([[[0.5, -0.3, 0.4, 0.2], [0.1, 0.6, -0.7, 0.3]]], np.float32)
    offsets = tf.Variable(np.zeros((1, 2, 4), np.float32))

    @tf.function(autograph=False)
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


@given(st.lists(st.floats(-4, 4), min_size=1, max_size=9), st.sampled_from([0.1, 1.0, 2.0]))
def test_smooth_l1_equals_the_slow_reference(differences, beta):
    losses = smooth_l1(np.array(differences, np.float32), beta)

    expected = [reference.smooth_l1(difference, beta) for difference in differences]
    np.testing.assert_allclose(losses, expected, rtol=1e-4, atol=1e-6)


def corners_of(offsets, prior):
    center_x, center_y, width, height = map(float, PRIORS_CXCYWH[prior])
    center_x += offsets[0] * VARIANCES[0] * width
    center_y += offsets[1] * VARIANCES[0] * height
    half_width = width * math.exp(offsets[2] * VARIANCES[1]) / 2
    half_height = height * math.exp(offsets[3] * VARIANCES[1]) / 2
    left, top = center_x - half_width, center_y - half_height
    return left, top, left + 2 * half_width, top + 2 * half_height


SLOW_OF_BOXES = {'giou': reference.giou_loss, 'ciou': reference.ciou_loss}


@pytest.mark.parametrize('kind', ['smooth_l1', 'l1', 'giou', 'ciou'])
def test_the_loss_of_a_prior_is_that_of_its_four_offsets_together(kind):
    """With sides of up to e times the prior's: what bounds them is far away."""
    section = RegressionLossSettings(kind, 0.5 if kind == 'smooth_l1' else None)
    rng = np.random.default_rng(2)
    offsets, wanted = (
        np.concatenate([rng.normal(0, 2, (3, 2, 2)), rng.uniform(-5, 5, (3, 2, 2))], axis=-1)
        for _ in range(2)
    )

    losses = regression_losses(
        offsets.astype(np.float32),
        wanted.astype(np.float32),
        section,
        priors_cxcywh=PRIORS_CXCYWH,
        variances=VARIANCES,
    )

    assert losses.shape == (3, 2)
    for image, prior in np.ndindex(3, 2):
        pair = offsets[image, prior], wanted[image, prior]
        if kind in SLOW_OF_BOXES:
            expected = SLOW_OF_BOXES[kind](*(corners_of(each, prior) for each in pair))
        elif kind == 'l1':
            expected = sum(abs(own - other) for own, other in zip(*pair, strict=True))
        else:
            expected = sum(
                reference.smooth_l1(own - other, 0.5) for own, other in zip(*pair, strict=True)
            )
        assert float(losses[image, prior]) == pytest.approx(expected, rel=1e-4)
