"""Box coding."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np

from ssd_training.targets.box_coding import (
    cxcywh_to_xyxy,
    decode_offsets,
    encode_boxes,
    xyxy_to_cxcywh,
)
from tests import reference

VARIANCES = (0.1, 0.2)
CODINGS = (encode_boxes, decode_offsets)

centers = st.floats(0, 1, width=32)
sizes = st.floats(np.float32(0.01).item(), 1, width=32)


@st.composite
def boxes_cxcywh(draw, count):
    return np.hstack(
        [
            draw(hnp.arrays(np.float32, (count, 2), elements=centers)),
            draw(hnp.arrays(np.float32, (count, 2), elements=sizes)),
        ]
    )


@given(boxes_cxcywh(7), boxes_cxcywh(7))
def test_decoding_what_was_encoded_gives_the_boxes_back(boxes, priors):
    offsets = encode_boxes(boxes, priors, VARIANCES)

    np.testing.assert_allclose(decode_offsets(offsets, priors, VARIANCES), boxes, atol=1e-5)


@given(boxes_cxcywh(3), boxes_cxcywh(3))
def test_encoding_equals_the_slow_reference(boxes, priors):
    expected = [
        reference.encode_box(box, prior, VARIANCES)
        for box, prior in zip(boxes.astype(float), priors.astype(float), strict=True)
    ]

    # float32 offsets of up to 1000 (a shift of 1 over a size of 0.01 and a variance of 0.1).
    np.testing.assert_allclose(
        encode_boxes(boxes, priors, VARIANCES), expected, rtol=1e-5, atol=1e-5
    )


def test_boxes_of_several_images_are_coded_as_those_of_one():
    boxes = np.random.default_rng(0).uniform(0.1, 0.9, (2, 3, 4)).astype(np.float32)
    priors = np.array(
        [[0.5, 0.5, 0.2, 0.4], [0.3, 0.6, 0.5, 0.1], [0.7, 0.2, 0.3, 0.3]], np.float32
    )
    functions = [
        *(cxcywh_to_xyxy, xyxy_to_cxcywh),
        *(lambda given, code=code: code(given, priors, VARIANCES) for code in CODINGS),
    ]
    for function in functions:
        expected = [function(boxes[0]), function(boxes[1])]
        # Vectors of another length round otherwise.
        np.testing.assert_allclose(function(boxes), expected, rtol=1e-6)


def test_offsets_are_ordered_x_y_w_h():
    prior = np.array([[0.5, 0.5, 0.2, 0.4]], np.float32)
    offsets = np.array([[1.0, 2.0, 0.0, 5 * np.log(2.0)]], np.float32)

    box = decode_offsets(offsets, prior, VARIANCES)

    np.testing.assert_allclose(box, [[0.52, 0.58, 0.2, 0.8]], rtol=1e-6)


@given(boxes_cxcywh(4))
def test_corners_convert_back_to_centres(boxes):
    np.testing.assert_allclose(xyxy_to_cxcywh(cxcywh_to_xyxy(boxes)), boxes, atol=1e-6)
