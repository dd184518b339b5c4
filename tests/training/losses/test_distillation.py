"""What a network learns from another one, against sums that are written out."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
import tensorflow as tf

from ssd_training.experiments.loss_schema import (
    ClassificationLossSettings,
    DistillationSettings,
    RegressionLossSettings,
)
from ssd_training.losses.distillation import distil, Outputs, score_divergences
from ssd_training.losses.multibox import MultiboxLoss
from tests.training.losses.test_multibox import LOSS, numbers, shapes

OWN = MultiboxLoss(*map(np.float32, (7.0, 3.0, 2.0, 5.0)))


def with_share(share, kind='softmax_ce'):
    return dataclasses.replace(
        LOSS,
        classification=ClassificationLossSettings(type=kind, label_smoothing=0.0),
        weights=dataclasses.replace(LOSS.weights, regression=1.5),
        distillation=DistillationSettings(teacher='released', share=share),
    )


def learn_from(outputs, taught, loss, divisor=4.0):
    num_priors = outputs.logits.shape[1]
    return distil(
        OWN,
        outputs,
        taught,
        loss=loss,
        priors_cxcywh=np.full((num_priors, 4), 0.5, np.float32),
        variances=(0.1, 0.2),
        divisor=np.float32(divisor),
    )


@st.composite
def outputs(draw):
    shape = draw(shapes)
    return [
        Outputs(
            draw(hnp.arrays(np.float32, (*shape, 4), elements=numbers)),
            draw(hnp.arrays(np.float32, (*shape, 3), elements=numbers)),
        )
        for _ in range(2)
    ]


def softmax(row):
    powers = np.exp(row.astype(float))
    return powers / powers.sum()


def sigmoid(value):
    return 1 / (1 + np.exp(-float(value)))


def slow_parts(own, taught, kind):
    """Sum divergences of scores, and smooth L1 as far as the teacher sees an object."""
    divergence = distance = 0.0
    for index in np.ndindex(own.logits.shape[:2]):
        mine, wanted = own.logits[index], taught.logits[index]
        if kind == 'softmax_ce':
            p, q = softmax(wanted), softmax(mine)
            divergence += sum(p * np.log(p / q))
            objectness = 1 - p[0]
        else:
            for a, b in zip(wanted[1:], mine[1:], strict=True):
                p, q = sigmoid(a), sigmoid(b)
                divergence += p * np.log(p / q) + (1 - p) * np.log((1 - p) / (1 - q))
            objectness = max(map(sigmoid, wanted[1:]))
        gaps = np.abs(own.offsets[index] - taught.offsets[index])
        if objectness < 0.01:
            continue
        distance += objectness * np.where(gaps < 1, gaps**2 / 2, gaps - 0.5).sum()
    return divergence, distance


@given(outputs(), st.sampled_from(['softmax_ce', 'sigmoid_ce']), st.sampled_from([0.25, 1.0]))
def test_both_parts_are_their_share_of_the_teacher_and_the_rest_of_the_objects(pair, kind, share):
    divergence, distance = slow_parts(*pair, kind)

    loss = MultiboxLoss(*map(float, learn_from(*pair, with_share(share, kind))))

    assert loss.classification == pytest.approx((1 - share) * 3 + share * divergence / 4, abs=1e-4)
    assert loss.regression == pytest.approx((1 - share) * 2 + share * distance / 4, abs=1e-4)
    assert loss.total == pytest.approx(loss.classification + 1.5 * loss.regression)
    assert loss.num_positives == 5


@pytest.mark.parametrize('activation', ['softmax', 'sigmoid'])
def test_scores_diverge_by_nothing_from_their_own_and_stay_numbers_far_away(activation):
    logits = np.array([[[0.0, 3.0, -5.0], [400.0, -400.0, 0.0]]], np.float32)

    np.testing.assert_allclose(score_divergences(logits, logits, activation), 0, atol=1e-6)
    away = score_divergences(logits, -logits, activation)
    assert np.all(np.isfinite(away)) and np.all(np.asarray(away) > 1)


def test_the_student_is_pulled_to_the_teacher_and_the_teacher_stays():
    rng = np.random.default_rng(0)
    own, taught = (
        Outputs(*(tf.Variable(rng.normal(size=(2, 5, n)), dtype=tf.float32) for n in (4, 3)))
        for _ in range(2)
    )
    with tf.GradientTape() as tape:
        loss = learn_from(own, taught, with_share(1.0))
    gradients = tape.gradient(loss.total, [*own, *taught])

    assert gradients[2:] == [None, None]
    steps = [output - 0.01 * gradient for output, gradient in zip(own, gradients, strict=False)]
    nearer = learn_from(Outputs(*steps), taught, with_share(1.0))
    assert nearer.classification < loss.classification
    assert nearer.regression < loss.regression


@pytest.mark.parametrize('kind', ['smooth_l1', 'l1', 'giou', 'ciou'])
@pytest.mark.parametrize('far', [1e3, 1e30])
def test_a_box_where_the_teacher_sees_no_object_costs_and_moves_nothing(kind, far):
    """It has never learnt one there: it may lie anywhere, and 0 * infinity is no number."""
    rng = np.random.default_rng(1)
    loss = with_share(1.0)
    loss = dataclasses.replace(
        loss, regression=RegressionLossSettings(kind, 1.0 if kind == 'smooth_l1' else None)
    )
    logits = np.array([[[0.0, 2.0, 1.0], [20.0, 0.0, 1.0]]], np.float32)
    offsets = [rng.normal(size=(1, 2, 4)).astype(np.float32) for _ in range(2)]
    outputs = [Outputs(tf.Variable(each), tf.constant(logits)) for each in offsets]
    wanted = learn_from(
        *(Outputs(each.offsets[:, :1], each.logits[:, :1]) for each in outputs), loss
    )
    for each, sign in zip(outputs, (1, -1), strict=True):
        each.offsets[:, 1].assign(tf.fill((1, 4), sign * far))

    with tf.GradientTape() as tape:
        found = learn_from(*outputs, loss)

    assert float(found.regression) == pytest.approx(float(wanted.regression))
    gradient = tape.gradient(found.total, outputs[0].offsets).numpy()
    assert np.all(np.isfinite(gradient)) and np.any(gradient[:, 0]) and not np.any(gradient[:, 1])


def test_boxes_count_from_a_hundredth_of_an_object_on():
    rng = np.random.default_rng(3)
    own, taught = (rng.normal(size=(1, 1, 4)).astype(np.float32) for _ in range(2))
    losses = []
    for objectness in (0.0099, 0.0101):
        logits = np.log([[[1 - objectness, objectness / 2, objectness / 2]]]).astype(np.float32)
        loss = learn_from(Outputs(own, logits), Outputs(taught, logits), with_share(1.0))
        losses.append(float(loss.regression))

    assert losses[0] == 0 < losses[1]


@pytest.mark.parametrize(
    ('kind', 'activation'), [('softmax_ce', 'softmax'), ('sigmoid_ce', 'sigmoid')]
)
def test_scores_of_each_prior_diverge_by_themselves(kind, activation):
    rng = np.random.default_rng(4)
    own, taught = rng.normal(size=(2, 2, 4, 3)).astype(np.float32)

    divergences = score_divergences(own, taught, activation)

    assert divergences.shape == (2, 4)
    for index in np.ndindex(2, 4):
        pair = (
            Outputs(np.zeros((1, 1, 4)), logits[index][None, None]) for logits in (own, taught)
        )
        assert float(divergences[index]) == pytest.approx(slow_parts(*pair, kind)[0], rel=1e-4)
