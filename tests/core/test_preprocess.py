"""Preprocessing: the one resize."""

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

from ssd_detector.errors import ImageError
from ssd_detector.preprocess import preprocess
from tests import reference


@given(st.data())
def test_resize_equals_bilinear_by_hand_within_rounding(data):
    shape = (data.draw(st.integers(1, 12)), data.draw(st.integers(1, 12)), 3)
    image = data.draw(hnp.arrays(np.uint8, shape))
    # cv2 rounds to 8 bits with fixed-point weights: measured within 0.75/255, see the docstring.
    expected = reference.resize_bilinear(image, 7) / 255
    np.testing.assert_allclose(preprocess(image, 7)[0], expected, atol=1 / 255)


def test_output_is_a_float_batch_of_one_in_the_unit_range():
    tensor = preprocess(np.full((4, 6, 3), 255, np.uint8), 5)
    assert tensor.shape == (1, 5, 5, 3)
    assert tensor.dtype == np.float32
    np.testing.assert_allclose(tensor, 1, atol=1e-6)


def test_channel_order_is_kept():
    image = np.zeros((4, 4, 3), np.uint8)
    image[..., 0] = 255
    np.testing.assert_allclose(preprocess(image, 2)[0, 0, 0], [1, 0, 0], atol=1e-6)


def test_a_view_with_strides_gives_the_same_as_its_copy():
    image = np.random.default_rng(0).integers(0, 255, (20, 30, 3), np.uint8)
    view = image[::2, ::-1]
    np.testing.assert_array_equal(preprocess(view, 8), preprocess(view.copy(), 8))


@pytest.mark.parametrize(
    ('image', 'words'),
    [
        (np.zeros((0, 0, 3), np.uint8), 'received 0x0 pixels; expected at least 1x1'),
        (np.zeros((4, 4), np.uint8), r'received shape \(4, 4\) uint8; expected \(H, W, 3\) uint8'),
        (np.zeros((4, 4, 4), np.uint8), r'received shape \(4, 4, 4\) uint8'),
        (np.zeros((4, 4, 3), np.float32), 'float32; expected'),
        ([[1, 2, 3]], 'received list; expected a NumPy array'),
    ],
)
def test_what_is_no_image_is_refused_in_words(image, words):
    with pytest.raises(ImageError, match=words):
        preprocess(image, 8)
