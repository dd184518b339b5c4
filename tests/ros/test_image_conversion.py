"""Image messages to RGB: every layout that fits, and an error for each that does not."""

from importlib.util import find_spec

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest

if find_spec('rclpy') is None:
    pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`', allow_module_level=True)

from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ssd_detector import ImageError
from ssd_detector_ros.image_conversion import ENCODINGS, to_rgb
from ssd_detector_ros.messages import to_image

# Where red, green and blue are in a pixel.
CHANNELS = {
    'rgb8': (0, 1, 2),
    'bgr8': (2, 1, 0),
    'rgba8': (0, 1, 2),
    'bgra8': (2, 1, 0),
    'mono8': (0, 0, 0),
}


@st.composite
def padded_pixels(draw, num_channels):
    """Pixels (H, W, channels) and the same as bytes, each row followed by padding."""
    height_px, width_px, padding = draw(
        st.tuples(st.integers(1, 6), st.integers(1, 6), st.integers(0, 5))
    )
    step = width_px * num_channels + padding
    rows = draw(hnp.arrays(np.uint8, (height_px, step)))
    pixels = rows[:, : width_px * num_channels].reshape(height_px, width_px, num_channels)
    return pixels, rows.tobytes(), step


def image(encoding='rgb8', *, height=2, width=3, step=9, data=bytes(18)):
    return Image(encoding=encoding, height=height, width=width, step=step, data=data)


def test_every_encoding_is_tested():
    assert set(CHANNELS) == set(ENCODINGS)


@pytest.mark.parametrize('encoding', CHANNELS)
@given(st.data())
def test_channels_come_from_where_the_encoding_says_and_padding_from_nowhere(encoding, data):
    num_channels = ENCODINGS[encoding].num_channels
    pixels, content, step = data.draw(padded_pixels(num_channels))
    height, width = pixels.shape[:2]
    message = image(encoding, height=height, width=width, step=step, data=content)
    converted_rgb = to_rgb(message)
    assert (converted_rgb.shape, converted_rgb.dtype) == ((height, width, 3), np.uint8)
    np.testing.assert_array_equal(converted_rgb, pixels[..., CHANNELS[encoding]])


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
def test_an_image_survives_the_way_there_and_back(image_rgb):
    np.testing.assert_array_equal(to_rgb(to_image(image_rgb, Header())), image_rgb)


def test_a_view_with_strides_becomes_the_message_of_its_copy():
    image_rgb = np.random.default_rng(0).integers(0, 255, (8, 10, 3), np.uint8)[::2, ::-1]
    assert to_image(image_rgb, Header()) == to_image(image_rgb.copy(), Header())


def test_trailing_bytes_after_the_last_row_are_ignored():
    content = bytes(range(18))
    np.testing.assert_array_equal(
        to_rgb(image(data=content + b'more')), to_rgb(image(data=content))
    )


def test_rgb8_is_not_copied():
    message = image()
    to_rgb(message)
    assert np.shares_memory(to_rgb(message), np.frombuffer(message.data, np.uint8))


@pytest.mark.parametrize(
    ('message', 'received', 'expected'),
    [
        (image('yuv422'), "'yuv422'", 'rgb8, bgr8, rgba8, bgra8, mono8'),
        (image(''), "''", 'rgb8'),
        (image(data=bytes(17)), '17 bytes', '18'),
        (image(data=b''), '0 bytes', '18'),
        (image(step=8), '8 bytes', 'at least 9'),
        (image('bgra8', step=9), '9 bytes', 'at least 12'),
        (image(height=0, width=0), '0x0', 'at least 1x1'),
        (image(width=0), '0x2', 'at least 1x1'),
    ],
)
def test_what_does_not_fit_is_told_with_what_was_expected(message, received, expected):
    with pytest.raises(ImageError) as caught:
        to_rgb(message)
    assert received in str(caught.value).partition('expected')[0]
    assert expected in str(caught.value).partition('expected')[2]
