"""Thresholds, NMS, mapping to pixels."""

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.boxes import iou_matrix
from ssd_detector.errors import BackendError, ConfigError
from ssd_detector.postprocess import nms, postprocess, Thresholds
from tests import reference
from tests.strategies import boxes_xyxy, scores, TIED_SCORES

LABELS = ('cat', 'dog', 'cow')


@st.composite
def raw_outputs(draw):
    boxes = draw(boxes_xyxy(max_size=10)) * np.float32(1.5) - np.float32(0.25)
    columns = draw(scores(len(boxes) * (len(LABELS) + 1)))
    return boxes, columns.reshape(len(boxes), len(LABELS) + 1)


@st.composite
def thresholds(draw):
    return Thresholds(
        score_threshold=draw(TIED_SCORES),
        nms_iou_threshold=draw(TIED_SCORES),
        max_detections=draw(st.integers(1, 12)),
        per_class_top_k=draw(st.integers(1, 6)),
        class_thresholds=draw(st.dictionaries(st.sampled_from(LABELS), TIED_SCORES)),
    )


def run(boxes, class_scores, settings, size_wh=(640, 480)):
    return postprocess(boxes, class_scores, size_wh=size_wh, labels=LABELS, thresholds=settings)


@given(raw_outputs(), thresholds())
def test_postprocess_equals_the_slow_reference(outputs, settings):
    found = run(*outputs, settings)
    expected = reference.postprocess(
        *outputs,
        size_wh=(640, 480),
        thresholds=[
            settings.class_thresholds.get(name, settings.score_threshold) for name in LABELS
        ],
        iou_threshold=settings.nms_iou_threshold,
        top_k=settings.per_class_top_k,
        max_detections=settings.max_detections,
    )
    got = [
        (int(class_id), float(score), tuple(map(float, box)))
        for class_id, score, box in zip(
            found.class_ids, found.scores, found.boxes_xyxy, strict=True
        )
    ]
    assert got == expected


@given(st.data())
def test_nms_equals_the_slow_reference(data):
    boxes = data.draw(boxes_xyxy())
    values = data.draw(scores(len(boxes)))
    threshold = data.draw(TIED_SCORES)
    kept = nms(boxes, values, iou_threshold=threshold)
    assert kept.tolist() == reference.nms(boxes, values, threshold)


@given(raw_outputs(), thresholds())
def test_what_is_reported_never_overlaps_within_a_class_and_lies_in_the_image(outputs, settings):
    found = run(*outputs, settings)
    for class_id in np.unique(found.class_ids):
        boxes = found.boxes_xyxy[found.class_ids == class_id]
        ious = np.triu(iou_matrix(boxes, boxes), 1)
        assert np.all(ious <= np.float32(settings.nms_iou_threshold))
    assert np.all(found.boxes_xyxy >= 0)
    assert np.all(found.boxes_xyxy <= [640, 480, 640, 480])
    assert np.all(np.diff(found.scores) <= 0)


@given(raw_outputs(), thresholds())
def test_order_of_the_priors_matters_for_ties_only(outputs, settings):
    boxes, class_scores = outputs
    # Distinct scores: shuffling the priors must not change the result at all.
    distinct = np.argsort(np.argsort(class_scores, axis=None)).reshape(class_scores.shape)
    class_scores = (distinct / max(distinct.size, 1)).astype(np.float32)
    flipped = run(boxes[::-1], class_scores[::-1], settings)
    found = run(boxes, class_scores, settings)
    np.testing.assert_array_equal(found.boxes_xyxy, flipped.boxes_xyxy)
    np.testing.assert_array_equal(found.scores, flipped.scores)


def test_boxes_are_sub_pixel_and_clipped_to_odd_sizes():
    boxes = np.array([[0.1, -0.5, 0.9, 0.5]], np.float32)
    class_scores = np.array([[0, 1, 0, 0]], np.float32)
    found = run(boxes, class_scores, Thresholds(), size_wh=(333, 77))
    np.testing.assert_allclose(found.boxes_xyxy, [[33.3, 0, 299.7, 38.5]], atol=1e-4)


def test_two_classes_on_one_spot_are_both_kept():
    boxes = np.array([[0.1, 0.1, 0.9, 0.9]] * 2, np.float32)
    class_scores = np.array([[0, 0.9, 0, 0], [0, 0, 0.8, 0]], np.float32)
    found = run(boxes, class_scores, Thresholds())
    assert found.labels == ['cat', 'dog']


def test_a_score_equal_to_the_threshold_is_reported():
    class_scores = np.array([[0, 0.5, 0, 0]], np.float32)
    boxes = np.array([[0, 0, 1, 1]], np.float32)
    assert len(run(boxes, class_scores, Thresholds(score_threshold=0.5))) == 1


def test_a_box_outside_the_image_is_none():
    class_scores = np.array([[0, 1, 0, 0]], np.float32)
    boxes = np.array([[1.2, 0.1, 1.5, 0.4]], np.float32)
    assert len(run(boxes, class_scores, Thresholds())) == 0


def test_nothing_found_gives_empty_arrays_of_the_right_types():
    found = run(np.zeros((2, 4), np.float32), np.zeros((2, 4), np.float32), Thresholds())
    assert found.boxes_xyxy.shape == (0, 4)
    assert (found.scores.dtype, found.class_ids.dtype) == (np.float32, np.int64)


def test_nan_scores_are_an_error_not_an_empty_image():
    class_scores = np.array([[0, np.nan, 0, 0]], np.float32)
    with pytest.raises(BackendError, match='scores hold NaN'):
        run(np.zeros((1, 4), np.float32), class_scores, Thresholds())


def test_outputs_that_do_not_fit_the_labels_are_an_error():
    with pytest.raises(BackendError, match=r'expected \(P, 4\) and \(P, 4\) for 3 labels'):
        run(np.zeros((1, 4), np.float32), np.zeros((1, 21), np.float32), Thresholds())


def test_the_defaults_are_those_of_the_manual():
    assert Thresholds() == Thresholds(
        score_threshold=0.35,
        nms_iou_threshold=0.5,
        max_detections=20,
        per_class_top_k=100,
        class_thresholds={},
        allowed_classes=(),
    )


def test_every_threshold_out_of_range_is_named_at_once():
    with pytest.raises(ConfigError) as error:
        Thresholds(
            score_threshold=1.5,
            nms_iou_threshold=float('nan'),
            max_detections=0,
            class_thresholds={'cat': -0.1},
        )
    assert error.value.findings == (
        'score_threshold: 1.5 is outside [0.0, 1.0]',
        'nms_iou_threshold: nan is outside [0.0, 1.0]',
        'class_thresholds.cat: -0.1 is outside [0.0, 1.0]',
        'max_detections: 0 is not a whole number from 1 on',
    )


def test_a_threshold_for_an_unknown_label_is_named_with_the_known_ones():
    with pytest.raises(
        ConfigError, match='class_thresholds.horse: no such label; the model knows'
    ):
        Thresholds(class_thresholds={'horse': 0.5}).by_class(LABELS)
