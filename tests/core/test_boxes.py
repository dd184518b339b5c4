"""Box conversions and IoU."""

from hypothesis import given
import numpy as np

from ssd_detector.boxes import areas, cxcywh_to_xyxy, iou_matrix, xyxy_to_cxcywh
from tests import reference
from tests.strategies import boxes_xyxy


@given(boxes_xyxy(scale=300))
def test_conversions_are_inverse(boxes):
    # float32 holds coordinates up to 300 with steps of 3e-5.
    np.testing.assert_allclose(cxcywh_to_xyxy(xyxy_to_cxcywh(boxes)), boxes, atol=1e-4)


@given(boxes_xyxy(), boxes_xyxy())
def test_iou_equals_the_slow_reference(boxes_a, boxes_b):
    expected = np.array([[reference.iou(a, b) for b in boxes_b] for a in boxes_a])
    ious = iou_matrix(boxes_a, boxes_b)
    np.testing.assert_allclose(ious, expected.reshape(ious.shape), atol=1e-6)


@given(boxes_xyxy(), boxes_xyxy())
def test_iou_is_symmetric(boxes_a, boxes_b):
    np.testing.assert_array_equal(iou_matrix(boxes_a, boxes_b), iou_matrix(boxes_b, boxes_a).T)


def test_boxes_are_converted_and_measured_in_arrays_of_any_shape():
    boxes = np.array([[1, 2, 4, 8], [0, 0, 2, 1], [3, 3, 3, 9]], np.float32)
    shape = (3, 1, 2)
    several = np.tile(boxes[:, None, None], (1, 1, 2, 1))
    for function in (xyxy_to_cxcywh, cxcywh_to_xyxy, areas):
        expected = np.broadcast_to(
            function(boxes)[:, None, None], (*shape, *function(boxes).shape[1:])
        )
        np.testing.assert_array_equal(function(several), expected)


def test_touching_boxes_do_not_overlap():
    boxes = np.array([[0, 0, 1, 1], [1, 0, 2, 1]], np.float32)
    assert iou_matrix(boxes, boxes)[0, 1] == 0


def test_a_box_without_area_overlaps_nothing_not_even_itself():
    boxes = np.array([[1, 1, 1, 5]], np.float32)
    assert iou_matrix(boxes, boxes)[0, 0] == 0


def test_an_inverted_box_has_no_area():
    assert areas(np.array([[5, 5, 1, 1]], np.float32))[0] == 0
