"""Image messages to RGB: every layout that fits, and an error for each that does not."""

from importlib.util import find_spec

import cv2
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage, Image
from std_msgs.msg import Header

from ssd_detector import ConfigError, ImageError
from ssd_detector.images.claims import MAX_IMAGE_PIXELS
from ssd_detector_ros.images.compressed_images import decode_rgb
from ssd_detector_ros.images.converter import CV_BRIDGE_ENCODINGS, make_converter
from ssd_detector_ros.images.raw_images import ENCODINGS, to_rgb
from ssd_detector_ros.images.sample_scale import SampleScale
from ssd_detector_ros.outputs.messages import to_image
from tests.image_files import EOI, exif_of, with_exif
from tests.ros.images import reference_images as reference

# Where red, green and blue are in a pixel.
CHANNELS = {
    'rgb8': (0, 1, 2),
    'bgr8': (2, 1, 0),
    'rgba8': (0, 1, 2),
    'bgra8': (2, 1, 0),
    'mono8': (0, 0, 0),
}
WIDE = {name.replace('8', '16'): places for name, places in CHANNELS.items()}
PACKED_422 = {'yuv422': 'uyvy', 'uyvy': 'uyvy', 'yuv422_yuy2': 'yuyv', 'yuyv': 'yuyv'}
SEMI_PLANAR_420 = {'nv12': 'uv', 'nv21': 'vu'}
BAYER = [f'bayer_{pattern}' for pattern in ('rggb', 'bggr', 'gbrg', 'grbg')]
# OpenCV computes in whole numbers of 20 bits and rounds twice.
YUV_TOLERANCE = 1.5
HEIGHTS = st.integers(1, 3)
BLACK_RGB = np.zeros((20, 48, 3), np.uint8)


@pytest.fixture(params=['builtin', 'cv_bridge', 'auto'], scope='module')
def conversion(request):
    """Run a test on our own conversion and on cv_bridge's."""
    # PyPI's cv-bridge is a port of ROS 1's without its C++ half, and fails on four channels.
    if request.param == 'cv_bridge' and not (
        find_spec('cv_bridge') and find_spec('cv_bridge.boost')
    ):
        pytest.skip("ROS 2's cv_bridge is not installed (ros-<distro>-cv-bridge)")
    return request.param


@st.composite
def padded_rows(draw, *, row_bytes, height=HEIGHTS, planes=1.0, width_step=2):
    """Random bytes in rows of whole pixels, each row followed by padding."""
    width_px = width_step * draw(st.integers(1, 4))
    height_px = draw(height)
    padding = draw(st.integers(0, 5))
    num_bytes = round(width_px * row_bytes)
    data = draw(hnp.arrays(np.uint8, (round(height_px * planes), num_bytes + padding)))
    return (width_px, height_px), data, num_bytes


def message_of(encoding, size_wh, data, *, is_bigendian=0):
    width_px, height_px = size_wh
    message = image(
        encoding, height=height_px, width=width_px, step=data.shape[1], data=data.tobytes()
    )
    message.is_bigendian = int(is_bigendian)
    return message


def image(encoding='rgb8', *, height=2, width=3, step=9, data=bytes(18)):
    return Image(encoding=encoding, height=height, width=width, step=step, data=data)


def test_every_encoding_is_tested():
    tested = {*CHANNELS, *WIDE, *PACKED_422, *SEMI_PLANAR_420}
    tested |= {f'{name}{bits}' for name in BAYER for bits in (8, 16)}
    assert tested == set(ENCODINGS)


@pytest.mark.parametrize('encoding', CHANNELS)
@given(st.data())
def test_channels_come_from_where_the_encoding_says_and_padding_from_nowhere(
    conversion, encoding, data
):
    num_channels = ENCODINGS[encoding].num_channels
    size_wh, rows, num_bytes = data.draw(padded_rows(row_bytes=num_channels, width_step=1))
    if conversion == 'cv_bridge':
        rows = np.ascontiguousarray(rows[:, :num_bytes])  # It takes no row padding.
    pixels = rows[:, :num_bytes].reshape(*size_wh[::-1], num_channels)
    converted_rgb = make_converter(conversion)(message_of(encoding, size_wh, rows), SampleScale())
    assert (converted_rgb.shape, converted_rgb.dtype) == ((*size_wh[::-1], 3), np.uint8)
    np.testing.assert_array_equal(converted_rgb, pixels[..., CHANNELS[encoding]])


@given(st.sampled_from(sorted(WIDE)), st.data(), st.booleans(), st.sampled_from([16, 12, 10]))
def test_samples_of_16_bits_are_scaled_in_either_byte_order(
    encoding, data, is_bigendian, sample_bits
):
    num_channels = ENCODINGS[encoding].num_channels
    size_wh, rows, num_bytes = data.draw(padded_rows(row_bytes=2 * num_channels, width_step=1))
    samples = np.ascontiguousarray(rows[:, :num_bytes]).view('>u2' if is_bigendian else '<u2')
    expected = reference.scale_samples(samples, sample_bits)
    message = message_of(encoding, size_wh, rows, is_bigendian=is_bigendian)
    np.testing.assert_array_equal(
        to_rgb(message, SampleScale(sample_bits)),
        expected.reshape(*size_wh[::-1], num_channels)[..., WIDE[encoding]],
    )


@pytest.mark.parametrize(
    ('sample_bits', 'highest', 'words'),
    [
        (16, 4095, 'no sample above 4095 and are nearly black; if the camera gives 12 bits'),
        (16, 700, 'no sample above 1023'),
        (16, 4096, ''),
        (12, 4095, ''),
        (12, 4096, 'a sample of 4096 is above the 4095 of sample_bits 12'),
        (10, 60_000, 'set sample_bits to 16'),
    ],
)
def test_a_number_of_bits_that_the_samples_do_not_bear_out_is_told(sample_bits, highest, words):
    scale = SampleScale(sample_bits)
    for value in (0, highest, 1):
        scale.to_8_bits(np.full((2, 2), value, np.uint16))
    assert words in scale.finding and bool(words) == bool(scale.finding)
    scale.forget()
    assert scale.finding == ''


@pytest.mark.parametrize('encoding', PACKED_422)
@given(st.data())
def test_packed_yuv_equals_the_slow_reference(encoding, data):
    size_wh, rows, num_bytes = data.draw(padded_rows(row_bytes=2))
    expected = reference.packed_422_to_rgb(rows[:, :num_bytes], PACKED_422[encoding])
    converted_rgb = to_rgb(message_of(encoding, size_wh, rows))
    np.testing.assert_allclose(converted_rgb, expected, atol=YUV_TOLERANCE)


@pytest.mark.parametrize('encoding', SEMI_PLANAR_420)
@given(st.data())
def test_semi_planar_yuv_equals_the_slow_reference(encoding, data):
    height = st.sampled_from([2, 4])
    size_wh, rows, num_bytes = data.draw(padded_rows(row_bytes=1, height=height, planes=1.5))
    expected = reference.semi_planar_420_to_rgb(rows[:, :num_bytes], SEMI_PLANAR_420[encoding])
    converted_rgb = to_rgb(message_of(encoding, size_wh, rows))
    np.testing.assert_allclose(converted_rgb, expected, atol=YUV_TOLERANCE)


@pytest.mark.parametrize('encoding', BAYER)
@given(st.data())
def test_bayer_equals_the_slow_reference(encoding, data):
    # Also of odd numbers: there are sensors of 659x494 pixels.
    size_wh, rows, num_bytes = data.draw(padded_rows(row_bytes=1, width_step=1))
    pattern = encoding.removeprefix('bayer_')
    expected = reference.bayer_to_rgb(rows[:, :num_bytes], pattern)
    converted_rgb = to_rgb(message_of(f'{encoding}8', size_wh, rows))
    np.testing.assert_array_equal(converted_rgb, expected)
    wide = np.repeat(rows[:, :num_bytes], 2, axis=1)
    # Each byte twice is the same value in 16 bits, in either byte order.
    np.testing.assert_array_equal(to_rgb(message_of(f'{encoding}16', size_wh, wide)), expected)


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
        (image('h264'), "'h264'", 'rgb8, bgr8, rgba8, bgra8, mono8'),
        (image(''), "''", 'rgb8'),
        (image(data=bytes(17)), '17 bytes', '18'),
        (image(data=b''), '0 bytes', '18'),
        (image(step=8), '8 bytes', 'at least 9'),
        (image('bgra8', step=9), '9 bytes', 'at least 12'),
        (image('mono16', step=5), '5 bytes', 'at least 6'),
        (image('nv12', width=4, step=4, data=bytes(11)), '11 bytes', '12'),
        (image('uyvy', width=3), '3x2 uyvy', 'even'),
        (image('nv21', width=2, height=3), '2x3 nv21', 'even'),
        (image('x' * 10**5), "x'... (100000 characters); ", 'rgb8'),
        (image('a\nb'), "'a\\nb'", 'rgb8'),
        (image(height=0, width=0), '0x0', 'at least 1x1'),
        (image(width=0), '0x2', 'at least 1x1'),
        (image(height=2**32 - 1, width=2**32 - 1, step=2**32 - 1), '4294967295', 'at least'),
    ],
)
def test_what_does_not_fit_is_told_with_what_was_expected(message, received, expected):
    with pytest.raises(ImageError) as caught:
        to_rgb(message)
    assert received in str(caught.value).partition('expected')[0]
    assert expected in str(caught.value).partition('expected')[2]


@given(
    st.sampled_from([*ENCODINGS, 'h264', '']),
    st.integers(0, 9),
    st.integers(0, 9),
    st.integers(0, 40),
    st.binary(max_size=400),
    st.integers(0, 1),
)
def test_any_message_gives_an_image_of_its_size_or_an_image_error(
    encoding, height, width, step, data, is_bigendian
):
    message = image(encoding, height=height, width=width, step=step, data=data)
    message.is_bigendian = is_bigendian
    try:
        converted_rgb = to_rgb(message)
    except ImageError as error:
        assert 'received' in str(error) and 'expected' in str(error)
    else:
        assert (converted_rgb.shape, converted_rgb.dtype) == ((height, width, 3), np.uint8)


def compressed(extension, image_rgb, **options):
    image_bgr = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2BGR)
    _, data = cv2.imencode(extension, image_bgr)
    return CompressedImage(data=data.tobytes(), **options)


@given(hnp.arrays(np.uint8, st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3))))
def test_a_png_comes_out_as_it_went_in(image_rgb):
    message = compressed('.png', image_rgb, format='rgb8; png compressed bgr8')
    np.testing.assert_array_equal(decode_rgb(message), image_rgb)


def test_a_jpeg_comes_out_nearly_as_it_went_in():
    image_rgb = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    decoded_rgb = decode_rgb(compressed('.jpg', image_rgb, format='jpeg'))
    # One colour survives JPEG but for the rounding of its two colour spaces.
    np.testing.assert_allclose(decoded_rgb, image_rgb, atol=3)


def in_format(extension, pixels, image_format):
    return CompressedImage(data=cv2.imencode(extension, pixels)[1].tobytes(), format=image_format)


@pytest.mark.parametrize('bits', [8, 16])
@pytest.mark.parametrize('target', ['', ' ', ' bayer_grbg{bits}'])
def test_a_compressed_mosaic_becomes_what_the_raw_one_becomes(bits, target):
    rows = np.random.default_rng(0).integers(0, 256, (5, 7 * bits // 8), np.uint8)
    raw = message_of(f'bayer_grbg{bits}', (7, 5), rows)
    text = f'bayer_grbg{bits}; png compressed{target.format(bits=bits)}'
    message = in_format('.png', rows.view(f'<u{bits // 8}'), text)
    np.testing.assert_array_equal(decode_rgb(message), to_rgb(raw))


@pytest.mark.parametrize('encoding', ['rgb16', 'bgr16', 'mono16'])
@pytest.mark.parametrize('sample_bits', [16, 12])
def test_a_png_of_16_bits_is_read_like_the_raw_image(encoding, sample_bits):
    num_channels = ENCODINGS[encoding].num_channels
    samples = np.random.default_rng(0).integers(0, 2**16, (3, 4, num_channels), np.uint16)
    raw = message_of(encoding, (4, 3), samples.reshape(3, -1).view(np.uint8))
    pixels = samples[..., ::-1] if encoding == 'rgb16' else samples
    message = in_format('.png', np.ascontiguousarray(pixels), f'{encoding}; png compressed bgr16')
    np.testing.assert_array_equal(
        decode_rgb(message, SampleScale(sample_bits)), to_rgb(raw, SampleScale(sample_bits))
    )


@pytest.mark.parametrize(
    'image_format', ['bayer_rggb8; jpeg compressed mono8', 'mono8; jpeg compressed ', 'jpeg']
)
def test_a_grey_picture_stays_grey(image_format):
    grey = np.random.default_rng(0).integers(0, 256, (8, 8), np.uint8)
    decoded_rgb = decode_rgb(in_format('.png', grey, image_format))
    np.testing.assert_array_equal(decoded_rgb, np.dstack([grey] * 3))


def test_a_mosaic_that_the_publisher_made_a_picture_of_is_that_picture():
    image_bgr = np.random.default_rng(0).integers(0, 256, (4, 6, 3), np.uint8)
    for target in ('', 'bgr8'):
        message = in_format('.png', image_bgr, f'bayer_rggb8; jpeg compressed {target}')
        np.testing.assert_array_equal(decode_rgb(message), image_bgr[..., ::-1])


def jpeg_bytes():
    return bytes(compressed('.jpg', np.zeros((16, 16, 3), np.uint8)).data)


def huge_png():
    data = bytearray(compressed('.png', np.zeros((2, 2, 3), np.uint8)).data)
    data[16:24] = (10**5).to_bytes(4, 'big') * 2
    return bytes(data)


def huge_jpeg(*, before=b''):
    data = bytearray(jpeg_bytes())
    at = data.index(b'\xff\xc0') + 5
    data[at : at + 4] = (16_000).to_bytes(2, 'big') * 2
    return bytes(data[:2] + before + data[2:])


def float_tiff():
    return cv2.imencode('.tiff', np.zeros((4, 4), np.float32))[1].tobytes()


@pytest.mark.parametrize(
    ('data', 'image_format', 'words'),
    [
        (huge_jpeg(), 'jpeg', '16000x16000 pixels'),
        (huge_jpeg(before=b'\xff' * 3), 'jpeg', f'at most {MAX_IMAGE_PIXELS}'),
        (huge_jpeg(before=b'junk\xff\x00\xff\x01'), 'jpeg', f'at most {MAX_IMAGE_PIXELS}'),
        (b'', 'jpeg', 'can not be read as an image'),
        (b'no image', 'jpeg', 'can not be read as an image'),
        (jpeg_bytes()[:-2], 'jpeg', 'ends too early'),
        (with_exif(jpeg_bytes(), exif_of(1, preview=EOI))[:-2], 'jpeg', 'ends too early'),
        (huge_png(), 'png', f'at most {MAX_IMAGE_PIXELS}'),
        (jpeg_bytes(), '16UC1; compressedDepth png', 'depth image'),
        (jpeg_bytes(), '16UC1; jpeg compressed mono8', 'depth image'),
        (jpeg_bytes(), '32FC1; tiff compressed ', 'depth image'),
        (float_tiff(), 'tiff', 'holds float32'),
    ],
)
def test_what_can_not_be_decoded_is_told_with_format_and_size(data, image_format, words):
    with pytest.raises(ImageError, match=words) as caught:
        decode_rgb(CompressedImage(data=data, format=image_format))
    assert f"'{image_format}'" in str(caught.value)
    assert f'{len(data)} bytes' in str(caught.value)


@pytest.mark.parametrize(
    'message',
    [compressed('.png', BLACK_RGB), to_image(BLACK_RGB, Header())],
    ids=['compressed', 'raw'],
)
def test_an_image_of_more_pixels_than_allowed_is_refused_with_the_parameter(message, conversion):
    allowed = make_converter(conversion, max_pixels=960)
    assert allowed(message, SampleScale()).shape == (20, 48, 3)
    with pytest.raises(ImageError, match=r'48x20.*at most 959.*max_image_pixels'):
        make_converter(conversion, max_pixels=959)(message, SampleScale())


def test_an_orientation_in_the_file_does_not_turn_the_image():
    exif = b'Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0'
    data = bytes(compressed('.jpg', np.zeros((8, 24, 3), np.uint8)).data)
    segment = b'\xff\xe1' + (len(exif) + 2).to_bytes(2, 'big') + exif
    turned = CompressedImage(data=data[:2] + segment + data[2:], format='jpeg')
    assert decode_rgb(turned).shape == (8, 24, 3)


def test_every_conversion_takes_compressed_images(conversion):
    message = compressed('.png', np.full((2, 3, 3), 7, np.uint8), format='png')
    converted_rgb = make_converter(conversion)(message, SampleScale())
    np.testing.assert_array_equal(converted_rgb, np.full((2, 3, 3), 7))


@pytest.mark.skipif(find_spec('cv_bridge') is not None, reason='cv_bridge is installed')
def test_cv_bridge_where_there_is_none_is_refused_with_its_package():
    with pytest.raises(ConfigError, match='cv-bridge'):
        make_converter('cv_bridge')


def test_auto_takes_any_encoding():
    convert = make_converter('auto')
    assert set(CV_BRIDGE_ENCODINGS) <= set(ENCODINGS)
    for encoding in ENCODINGS:
        message = image(encoding, width=4, step=32, data=bytes(96))
        assert convert(message, SampleScale()).shape == (2, 4, 3)
