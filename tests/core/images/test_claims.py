"""What a head claims is known before anything is decoded, for every format that is decoded."""

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.errors import ImageError
from ssd_detector.images.claims import Claim, MAX_IMAGE_PIXELS, read_claim
from ssd_detector.images.decoding import decode_image, decode_samples
from tests.picture_bombs import BOMBS

SUFFIXES = ('.jpg', '.png', '.bmp', '.webp', '.tiff', '.gif', '.ppm', '.pgm', '.pbm')


def encode(suffix, size_wh=(48, 20), *flags):
    image = np.random.default_rng(1).integers(0, 256, (*size_wh[::-1], 3), np.uint8)
    if suffix in ('.pgm', '.pbm'):
        image = image[..., 0]
    return cv2.imencode(suffix, image, flags)[1].tobytes()


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_the_claim_of_each_format_is_the_size_that_is_decoded(suffix):
    content = encode(suffix)
    assert read_claim(content) == Claim(48, 20, 1)
    assert decode_image(content).shape == (20, 48, 3)


@pytest.mark.parametrize('bomb', BOMBS.values(), ids=list(BOMBS))
def test_a_picture_that_claims_too_many_pixels_is_not_decoded(bomb, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match=rf'pixels; expected at most {MAX_IMAGE_PIXELS} \('):
        decode_image(bomb)


@pytest.mark.parametrize('suffix', SUFFIXES)
def test_the_limit_is_free(suffix):
    content = encode(suffix)
    assert decode_samples(content, max_pixels=960).size
    with pytest.raises(ImageError, match=r'claims 48x20 pixels; expected at most 959 \('):
        decode_samples(content, max_pixels=959)


def test_a_jpeg_that_repeats_its_scans_is_not_decoded(monkeypatch):
    black = np.zeros((4_000, 4_000), np.uint8)
    content = cv2.imencode('.jpg', black, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1].tobytes()
    assert decode_image(content).shape == (4_000, 4_000, 3)
    last_scan = content[content.rfind(b'\xff\xda') : -2]
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match=r'206 scans of 4000x4000 pixels; expected at most 125'):
        decode_image(content[:-2] + 200 * last_scan + content[-2:])


STARTS = {
    'JPEG 2000': b'\0\0\0\x0cjP  \r\n\x87\n',
    'JPEG 2000, bare': b'\xff\x4f\xff\x51',
    'HDR': b'#?RADIANCE\n',
    'Sun raster': b'\x59\xa6\x6a\x95',
    'netpbm of floats': b'Pf\n8 8\n',
}


@pytest.mark.parametrize('start', STARTS.values(), ids=list(STARTS))
def test_a_format_whose_head_nobody_reads_is_not_decoded(start, monkeypatch):
    monkeypatch.setattr(cv2, 'imdecode', None)
    with pytest.raises(ImageError, match='can not be read as an image'):
        decode_image(start + bytes(999))


def test_a_film_behind_the_end_of_a_photograph_counts_for_nothing():
    film = np.random.default_rng(2).bytes(4_000_000)
    content = encode('.jpg') + b'\0\0\0\x18ftypmp42' + film
    assert decode_image(content).shape == (20, 48, 3)


@given(
    st.sampled_from(SUFFIXES),
    st.lists(st.tuples(st.integers(0, 80), st.integers(0, 255)), min_size=1, max_size=4),
)
@settings(max_examples=100)
def test_no_decoder_makes_more_of_a_file_than_it_claims(suffix, changes):
    content = bytearray(encode(suffix))
    for at, value in changes:
        content[min(at, len(content) - 1)] = value
    try:
        samples = decode_samples(bytes(content), max_pixels=1_000_000)
    except ImageError:
        return
    claim = read_claim(bytes(content))
    assert claim is not None and samples.shape[0] * samples.shape[1] <= claim.num_pixels
