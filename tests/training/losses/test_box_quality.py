"""What predicted boxes say of the classes to learn, against loops that are written out."""

import dataclasses
import math

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
import tensorflow as tf

from ssd_detector.errors import ConfigError
from ssd_training.experiments.loss_schema import (
    ClassificationLossSettings,
    QualitySettings,
    RegressionLossSettings,
)
from ssd_training.losses.box_quality import box_qualities, ignore_good_boxes
from ssd_training.targets.prior_matching import GroundTruthBatch, Targets
from tests import reference
from tests.training.losses.test_multibox import LOSS, loss_of, numbers

VARIANCES = (0.1, 0.2)
WHOLE_IMAGE = [0.5, 0.5, 1.0, 1.0]
HALVES = np.array([WHOLE_IMAGE, [0.25, 0.25, 0.5, 0.5]], np.float32)
# Of the height alone: the box keeps this share of it, and overlaps its object by as much.
SHRINKS = {0.25: math.log(0.25) / 0.2, 0.5: math.log(0.5) / 0.2, 0.8: math.log(0.8) / 0.2}


def decode(offsets, prior):
    """Give the corners of one predicted box, as floats."""
    cx, cy, width, height = (float(value) for value in prior)
    cx, cy = cx + offsets[0] * 0.1 * width, cy + offsets[1] * 0.1 * height
    width, height = width * math.exp(offsets[2] * 0.2), height * math.exp(offsets[3] * 0.2)
    return [cx - width / 2, cy - height / 2, cx + width / 2, cy + height / 2]


@st.composite
def predictions(draw):
    shape = draw(st.tuples(st.integers(1, 3), st.just(2)))
    boxes = hnp.arrays(np.float32, (*shape, 4), elements=numbers)
    classes = hnp.arrays(np.int32, shape, elements=st.integers(-1, 2))
    return draw(boxes), draw(boxes), draw(classes)


@st.composite
def objects(draw, num_images):
    shape = (num_images, draw(st.integers(0, 3)))
    corners = draw(hnp.arrays(np.float32, (*shape, 4), elements=st.integers(0, 8)))
    ordered = np.sort(corners.reshape(*shape, 2, 2) / 8, axis=2).reshape(*shape, 4)
    return GroundTruthBatch(
        ordered.astype(np.float32),
        draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 2))),
        draw(hnp.arrays(bool, shape)),
    )


@given(predictions(), st.sampled_from([(0.0, 1.0), (0.4, 0.7), (0.5, 0.51)]))
def test_the_share_of_the_class_rises_with_the_overlap(prediction, ious):
    offsets, wanted, class_ids = prediction
    shares = box_qualities(
        offsets,
        Targets(wanted, class_ids),
        QualitySettings(*ious),
        priors_cxcywh=HALVES,
        variances=VARIANCES,
    )

    expected = np.ones(class_ids.shape)
    for image, prior in np.argwhere(class_ids > 0):
        boxes = [decode(each[image, prior], HALVES[prior]) for each in (offsets, wanted)]
        rise = (reference.iou(*boxes) - ious[0]) / (ious[1] - ious[0])
        expected[image, prior] = min(max(rise, 0.0), 1.0)
    # What rounds in the seventh digit counts for a hundred times as much on the steepest rise.
    np.testing.assert_allclose(shares, expected, atol=1e-3)


@given(st.data(), st.sampled_from([0.3, 0.6]))
def test_no_prior_is_a_negative_whose_box_is_that_of_an_object(data, ignore_iou):
    offsets, wanted, class_ids = data.draw(predictions())
    truths = data.draw(objects(len(class_ids)))

    left = ignore_good_boxes(
        Targets(wanted, class_ids),
        offsets,
        truths,
        ignore_iou=ignore_iou,
        priors_cxcywh=HALVES,
        variances=VARIANCES,
    )

    np.testing.assert_array_equal(left.offsets, wanted)
    for image, prior in np.ndindex(*class_ids.shape):
        box = decode(offsets[image, prior], HALVES[prior])
        found = zip(truths.boxes_xyxy[image], truths.class_ids[image], strict=True)
        overlaps = [reference.iou(box, own.tolist()) for own, class_id in found if class_id > 0]
        best = max(overlaps, default=0.0)
        if abs(best - ignore_iou) > 1e-5:
            is_left_out = class_ids[image, prior] == 0 and best > ignore_iou
            expected = -1 if is_left_out else class_ids[image, prior]
            assert left.class_ids[image, prior] == expected


def quality_loss(shrink, kind, *, quality=True):
    """Compute the loss of one positive of class 2 whose box keeps a share of its height."""
    settings = ClassificationLossSettings(
        kind,
        0.0,
        *((0.25, 2.0) if kind == 'focal' else (None, None)),
        quality=QualitySettings(0.4, 0.7) if quality else None,
    )
    loss = dataclasses.replace(LOSS, classification=settings)
    offsets = tf.constant([[[0.0, 0.0, 0.0, shrink]]])
    targets = Targets(np.zeros((1, 1, 4), np.float32), np.array([[2]], np.int32))
    logits = tf.constant([[[0.3, -0.2, 1.1]]])
    with tf.GradientTape() as tape:
        tape.watch([offsets, logits])
        value = loss_of(offsets, logits, targets, loss=loss).classification
    return float(value), tape.gradient(value, [offsets, logits])


def test_softmax_divides_between_class_and_background():
    log_scores = tf.nn.log_softmax([0.3, -0.2, 1.1]).numpy()

    values = {iou: quality_loss(shrink, 'softmax_ce')[0] for iou, shrink in SHRINKS.items()}

    # 0.4 is nothing and 0.7 is all, so that 0.5 is a third.
    assert values[0.25] == pytest.approx(-log_scores[0], rel=1e-5)
    assert values[0.5] == pytest.approx(-(log_scores[2] + 2 * log_scores[0]) / 3, rel=1e-5)
    assert values[0.8] == pytest.approx(-log_scores[2], rel=1e-5)


def test_sigmoid_asks_for_a_part_of_the_class():
    value, _ = quality_loss(SHRINKS[0.5], 'sigmoid_ce')

    expected = tf.nn.sigmoid_cross_entropy_with_logits([0.0, 1 / 3], [-0.2, 1.1])
    assert value == pytest.approx(float(tf.reduce_sum(expected)), rel=1e-5)


@pytest.mark.parametrize('kind', ['softmax_ce', 'sigmoid_ce', 'focal'])
def test_a_good_box_costs_what_it_did_and_classes_move_no_boxes(kind):
    good, (of_boxes, of_logits) = quality_loss(SHRINKS[0.8], kind)
    poor, (of_poor_boxes, of_poor_logits) = quality_loss(SHRINKS[0.25], kind)

    plain, (_, of_plain_logits) = quality_loss(SHRINKS[0.8], kind, quality=False)
    assert good == pytest.approx(plain)
    np.testing.assert_allclose(of_logits, of_plain_logits, atol=1e-6)
    assert of_boxes is None and of_poor_boxes is None
    # The class is wanted less where the box is wrong: its logit falls.
    assert of_logits[0, 0, 2] < 0 < of_poor_logits[0, 0, 2]
    assert poor != pytest.approx(plain)


@pytest.mark.parametrize('beside', [np.inf, -np.inf, 500.0, np.nan])
def test_a_box_that_is_no_number_where_no_object_is_costs_nothing(beside):
    targets = Targets(np.zeros((1, 2, 4), np.float32), np.array([[1, 0]], np.int32))
    loss = dataclasses.replace(
        LOSS,
        classification=ClassificationLossSettings(
            'softmax_ce', 0.0, quality=QualitySettings(0.4, 0.7)
        ),
        regression=RegressionLossSettings('giou'),
    )
    values = []
    for value in (0.0, beside):
        offsets = tf.constant([[[0.0, 0.0, 0.0, SHRINKS[0.5]], [value] * 4]], tf.float32)
        logits = tf.Variable(tf.zeros((1, 2, 3)))
        with tf.GradientTape() as tape:
            total = loss_of(offsets, logits, targets, loss=loss).total
        values.append((float(total), tape.gradient(total, logits).numpy()))
    np.testing.assert_array_equal(values[0][0], values[1][0])
    np.testing.assert_array_equal(values[0][1], values[1][1])

    truths = GroundTruthBatch(
        np.array([[[0.0, 0.0, 1.0, 1.0]]], np.float32), np.array([[1]]), np.zeros((1, 1), bool)
    )
    left = ignore_good_boxes(
        targets,
        tf.constant([[[0.0] * 4, [beside] * 4]], tf.float32),
        truths,
        ignore_iou=0.6,
        priors_cxcywh=HALVES,
        variances=VARIANCES,
    )
    np.testing.assert_array_equal(left.class_ids, targets.class_ids)


def test_a_difficult_object_is_no_background_either():
    truths = GroundTruthBatch(
        np.array([[[0.0, 0.0, 0.5, 0.5]]], np.float32), np.array([[1]]), np.ones((1, 1), bool)
    )

    left = ignore_good_boxes(
        Targets(np.zeros((1, 2, 4), np.float32), np.zeros((1, 2), np.int32)),
        np.zeros((1, 2, 4), np.float16),
        truths,
        ignore_iou=0.6,
        priors_cxcywh=HALVES,
        variances=VARIANCES,
    )

    np.testing.assert_array_equal(left.class_ids, [[0, -1]])


@pytest.mark.parametrize(('low', 'high'), [(0.5, 0.5), (0.7, 0.4)])
def test_limits_in_the_wrong_order_are_refused(low, high):
    with pytest.raises(ConfigError, match=f'high_iou: {high} is not above low_iou {low}'):
        QualitySettings(low, high)
