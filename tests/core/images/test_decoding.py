"""Image files: whole or cut, turned or not, of every kind of pixel."""

import io

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.errors import ImageError
from ssd_detector.images.decoding import decode_image, turn_upright
from ssd_detector.images.heads import find_jpeg_fault, read_claimed_size_wh, read_orientation
from tests.image_files import exif_of, TRAILERS, with_exif

SIZE_WH = (40, 24)
# Smooth, so that JPEG changes it little; no two corners are alike.
IMAGE_RGB = cv2.resize(
    np.array([[[250, 20, 20], [20, 250, 20]], [[20, 20, 250], [240, 240, 90]]], np.uint8), SIZE_WH
)


def encode(suffix='.jpg', image=IMAGE_RGB[..., ::-1], **parameters):
    flags = [
        value
        for name, given in parameters.items()
        for value in (getattr(cv2, f'IMWRITE_{name.upper()}'), given)
    ]
    return cv2.imencode(suffix, image, flags)[1].tobytes()


JPEGS = {
    'baseline': encode(),
    'progressive': encode(jpeg_progressive=1),
    'restarts': encode(jpeg_rst_interval=1),
    'optimized': encode(jpeg_optimize=1),
    'grey': encode(image=IMAGE_RGB[..., 0]),
    'with_preview': with_exif(encode(), exif_of(1, preview=encode())),
    'with_fill_bytes': encode()[:-2] + b'\xff\xff\xff\xd9',
    'with_junk': encode()[:20] + b'junk\xff\x00\xff\x01' + encode()[20:],
}
kinds = pytest.mark.parametrize('jpeg', JPEGS.values(), ids=list(JPEGS))


@kinds
@pytest.mark.parametrize('trailer', TRAILERS.values(), ids=list(TRAILERS))
def test_a_jpeg_is_whole_whatever_stands_behind_its_end(jpeg, trailer):
    assert find_jpeg_fault(jpeg + trailer) is None
    assert decode_image(jpeg + trailer).shape == (*SIZE_WH[::-1], 3)


@kinds
def test_a_jpeg_that_is_cut_anywhere_is_named(jpeg):
    for length in range(2, len(jpeg) - 1):
        for trailer in (b'', b'\n', bytes(99)):
            assert find_jpeg_fault(jpeg[:length] + trailer) == 'ends too early'
    with pytest.raises(ImageError, match=r'ends too early \(\d+ bytes\); get it again'):
        decode_image(jpeg[: len(jpeg) - 9])


@kinds
def test_a_cut_jpeg_is_not_made_whole_by_the_picture_behind_it(jpeg):
    assert find_jpeg_fault(jpeg[:-9] + encode()) == 'ends too early'


@pytest.mark.parametrize('suffix', ['.png', '.webp', '.bmp', '.tiff'])
def test_an_image_of_another_format_that_is_cut_is_named(suffix, capfd):
    content = encode(suffix)

    for share in (0.1, 0.5, 0.9):
        with pytest.raises(ImageError, match='can not be read as an image'):
            decode_image(content[: int(share * len(content))])


@pytest.mark.parametrize('content', [b'', b'no image', b'\xff\xd8', b'\x89PNG\r\n\x1a\n'])
def test_what_is_no_image_is_an_error(content, capfd):
    with pytest.raises(ImageError, match=f'{len(content)} bytes'):
        decode_image(content)


@pytest.mark.parametrize(
    ('content', 'advice'),
    [
        (b'\0\0\0\x18ftypheic\0\0\0\0', 'it is HEIC, whatever its name: make it JPEG'),
        (b'version https://git-lfs.github.com/spec/v1\n', 'git lfs pull'),
        (b'<!DOCTYPE html>', 'it is a page of the web'),
    ],
)
def test_what_lies_in_the_place_of_an_image_is_named(content, advice, capfd):
    with pytest.raises(ImageError, match=advice):
        decode_image(content)


@given(st.binary(max_size=80), st.sampled_from([b'', b'\xff\xd8', JPEGS['with_preview'][:50]]))
# Of bytes a few tell nothing, and an example takes less than a millisecond.
@settings(max_examples=10 * settings.default.max_examples)
def test_no_bytes_break_the_readers_of_heads(content, start):
    content = start + content

    find_jpeg_fault(content)
    read_claimed_size_wh(content)
    assert 1 <= read_orientation(content) <= 8


@kinds
def test_the_size_is_that_of_the_picture_not_of_its_preview(jpeg):
    assert read_claimed_size_wh(jpeg) == SIZE_WH


@pytest.mark.parametrize(('suffix', 'size_wh'), [('.png', SIZE_WH), ('.bmp', None)])
def test_the_size_of_a_png_is_in_its_head_others_have_to_be_decoded(suffix, size_wh):
    assert read_claimed_size_wh(encode(suffix)) == size_wh


@pytest.mark.parametrize('order', ['little', 'big'])
@pytest.mark.parametrize('orientation', range(1, 9))
def test_a_photograph_is_turned_as_opencv_turns_it(orientation, order):
    content = with_exif(encode(), exif_of(orientation, order=order))
    expected_bgr = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)

    stored_rgb = decode_image(content)

    np.testing.assert_array_equal(stored_rgb, decode_image(encode()))
    assert read_orientation(content) == orientation
    turned_rgb = turn_upright(stored_rgb, orientation)
    np.testing.assert_array_equal(turned_rgb, expected_bgr[..., ::-1])
    assert turned_rgb.flags.c_contiguous


@pytest.mark.parametrize('kind', ['JPEG', 'PNG', 'WEBP'])
def test_the_orientation_is_read_from_files_that_pillow_writes(kind):
    image = pytest.importorskip('PIL.Image', reason='Pillow is not installed')
    exif, file = image.Exif(), io.BytesIO()
    exif[0x0112] = 6
    image.fromarray(IMAGE_RGB).save(file, kind, exif=exif.tobytes())

    assert read_orientation(file.getvalue()) == 6


@pytest.mark.parametrize('orientation', [0, 9, 255, 65535])
def test_an_orientation_that_there_is_not_is_upright(orientation):
    assert read_orientation(with_exif(encode(), exif_of(orientation))) == 1


def test_grey_palette_alpha_and_cmyk_are_read_as_they_look():
    image = pytest.importorskip('PIL.Image', reason='Pillow is not installed')
    picture = image.fromarray(IMAGE_RGB)
    for mode, suffix, tolerance in (
        ('L', 'PNG', 0),
        ('L', 'JPEG', 4),
        ('LA', 'PNG', 0),
        ('P', 'PNG', 0),
        ('RGBA', 'PNG', 0),
        ('CMYK', 'JPEG', 8),
        ('1', 'PNG', 0),
    ):
        file = io.BytesIO()
        converted = picture.convert(mode)
        converted.save(file, suffix)
        expected_rgb = np.asarray(converted.convert('RGB')).astype(int)

        difference = np.abs(decode_image(file.getvalue()) - expected_rgb)

        assert difference.mean() <= tolerance, (mode, suffix, difference.mean())


@pytest.mark.parametrize('suffix', ['.png', '.tiff'])
def test_16_bits_become_8_to_the_nearest(suffix):
    samples = np.arange(24 * 40 * 3, dtype=np.uint16).reshape(24, 40, 3) * 22
    content = encode(suffix, samples)

    expected_bgr = np.rint(samples / np.float64(65535) * 255)

    np.testing.assert_array_equal(decode_image(content)[..., ::-1], expected_bgr)


@pytest.mark.parametrize(
    ('suffix', 'reason'),
    [('.hdr', 'it is Radiance HDR'), ('.tiff', r'holds float32 \(\d+ bytes\); save it as PNG')],
)
def test_samples_that_are_floats_are_refused_not_shown_white(suffix, reason):
    content = encode(suffix, IMAGE_RGB.astype(np.float32))

    with pytest.raises(ImageError, match=reason):
        decode_image(content)
