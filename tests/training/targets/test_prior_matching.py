"""Matching of priors and objects."""

import dataclasses

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

from ssd_detector.boxes import xyxy_to_cxcywh
from ssd_training.experiments.loss_schema import MatcherSettings
from ssd_training.targets.prior_matching import assign_targets, GroundTruthBatch, match_priors
from ssd_training.targets.priors import generate_priors
from tests import reference
from tests.strategies import boxes_xyxy

VARIANCES = (0.1, 0.2)
MATCHER = MatcherSettings(
    iou_threshold_pos=0.5, iou_threshold_neg=0.4, allow_low_quality_matches=True
)
# Four columns of one row.
PRIORS = np.array([[x, 0.5, 0.25, 0.25] for x in (0.125, 0.375, 0.625, 0.875)], np.float32)


def batch_of(*objects):
    """Make a batch of one image from (box, class id, difficult)."""
    return GroundTruthBatch(
        np.array([[box for box, _, _ in objects]], np.float32).reshape(1, -1, 4),
        np.array([[class_id for _, class_id, _ in objects]], np.int32).reshape(1, -1),
        np.array([[difficult for _, _, difficult in objects]], bool).reshape(1, -1),
    )


def matched_classes(priors, ground_truths, **changes):
    settings = dataclasses.replace(MATCHER, **changes)
    classes, _ = match_priors(priors, ground_truths, settings)
    return np.array(classes)[0]


@st.composite
def batches(draw):
    num_images, num_objects = draw(st.integers(1, 5)), draw(st.integers(0, 4))
    boxes = [
        draw(boxes_xyxy(min_size=num_objects, max_size=num_objects)) for _ in range(num_images)
    ]
    shape = (num_images, num_objects)
    return GroundTruthBatch(
        np.stack(boxes),
        draw(hnp.arrays(np.int32, shape, elements=st.integers(0, 3))),
        draw(hnp.arrays(bool, shape)),
    )


@given(
    boxes_xyxy(min_size=1, max_size=7),
    batches(),
    st.sampled_from([(0.5, 0.4), (0.5, 0.5), (0.75, 0.25)]),
    st.booleans(),
)
def test_matching_equals_the_slow_reference(priors, ground_truths, thresholds, forces):
    matcher = MatcherSettings(*thresholds, allow_low_quality_matches=forces)
    classes, matched_boxes = match_priors(xyxy_to_cxcywh(priors), ground_truths, matcher)
    for image, (boxes, class_ids, is_difficult) in enumerate(zip(*ground_truths, strict=True)):
        expected, owners = reference.match_priors(
            priors, boxes, class_ids, is_difficult, *thresholds, forces=forces
        )
        np.testing.assert_array_equal(classes[image], expected)
        for prior, owner in enumerate(owners):
            if owner >= 0:
                np.testing.assert_array_equal(matched_boxes[image, prior], boxes[owner])


def test_two_objects_on_one_prior_both_get_one():
    """The better one keeps it, the other takes its second best."""
    better, worse = (0.25, 0.375, 0.5, 0.625), (0.25, 0.375, 0.5625, 0.625)

    classes = matched_classes(PRIORS, batch_of((worse, 1, False), (better, 2, False)))

    np.testing.assert_array_equal(classes, [0, 2, 1, 0])


def test_a_square_of_20_px_has_a_positive_prior_among_the_13502(load):
    config = load('exp001_baseline')
    priors = generate_priors(config.priors, (300, 300))
    box = np.array([100, 150, 120, 170]) / 300

    classes, _ = match_priors(priors, batch_of((box, 7, False)), config.matcher)

    assert np.sum(classes == 7) == 1
    assert np.sum(classes != 0) == 1


def test_at_exactly_the_threshold_a_prior_is_positive():
    box = ((0.25, 0.375, 0.5, 0.625), 1, False)
    # The last prior is the box at twice its height: IoU 1 / 2.
    priors = np.vstack([PRIORS, [[0.375, 0.5, 0.25, 0.5]]]).astype(np.float32)

    np.testing.assert_array_equal(matched_classes(priors, batch_of(box)), [0, 1, 0, 0, 1])


def test_priors_on_a_difficult_object_are_ignored_and_none_is_forced():
    large = batch_of(((0.25, 0.375, 0.5, 0.625), 1, True))
    small = batch_of(((0.25, 0.375, 0.3125, 0.4375), 1, True))

    np.testing.assert_array_equal(matched_classes(PRIORS, large), [0, -1, 0, 0])
    np.testing.assert_array_equal(matched_classes(PRIORS, small), [0, 0, 0, 0])


def test_between_the_thresholds_a_prior_is_ignored_unless_it_is_forced():
    box = ((0.25, 0.375, 0.5, 0.625), 1, False)
    # The last prior is the box made higher: IoU 0.25 / 0.5625 = 0.44.
    priors = np.vstack([PRIORS, [[0.375, 0.5, 0.25, 0.5625]]]).astype(np.float32)

    classes = matched_classes(priors, batch_of(box))

    np.testing.assert_array_equal(classes, [0, 1, 0, 0, -1])


@pytest.mark.parametrize('num_padding', [0, 1, 3])
def test_padding_changes_nothing(num_padding):
    padding = [((0.0, 0.0, 0.0, 0.0), 0, False)] * num_padding
    ground_truths = batch_of(((0.25, 0.375, 0.5, 0.625), 3, False), *padding)

    np.testing.assert_array_equal(matched_classes(PRIORS, ground_truths), [0, 3, 0, 0])


def test_an_image_without_objects_is_background_with_offsets_of_zero():
    targets = assign_targets(PRIORS, batch_of(), settings=MATCHER, variances=VARIANCES)

    np.testing.assert_array_equal(targets.class_ids, np.zeros((1, 4)))
    np.testing.assert_array_equal(targets.offsets, np.zeros((1, 4, 4)))


def test_positive_priors_learn_the_offsets_of_their_own_object():
    boxes = [(0.25, 0.375, 0.5, 0.625), (0.6, 0.4, 0.9, 0.6)]
    targets = assign_targets(
        PRIORS,
        batch_of((boxes[0], 1, False), (boxes[1], 2, False)),
        settings=MATCHER,
        variances=VARIANCES,
    )

    assert list(targets.class_ids[0]) == [0, 1, 0, 2] or list(targets.class_ids[0]) == [0, 1, 2, 0]
    for prior, class_id in enumerate(targets.class_ids[0]):
        if class_id > 0:
            box = xyxy_to_cxcywh(np.array(boxes[int(class_id) - 1]))
            expected = reference.encode_box(box, PRIORS[prior], VARIANCES)
            np.testing.assert_allclose(targets.offsets[0, prior], expected, atol=1e-5)


def test_priors_that_overlap_nothing_stay_background_at_a_threshold_of_zero():
    ground_truths = batch_of(((0.25, 0.375, 0.5, 0.625), 1, False))

    classes = matched_classes(PRIORS, ground_truths, iou_threshold_pos=0.0, iou_threshold_neg=0.0)

    np.testing.assert_array_equal(classes, [0, 1, 0, 0])
