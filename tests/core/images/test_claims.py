"""What a head claims is known before anything is decoded, for every format that is decoded."""

import struct
import zlib

import cv2
from hypothesis import given, settings
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.errors import ImageError
from ssd_detector.images.claims import Claim, MAX_IMAGE_PIXELS, read_claim
from ssd_detector.images.decoding import decode_image, decode_samples

SUFFIXES = ('.jpg', '.png', '.bmp', '.webp', '.tiff', '.gif', '.ppm', '.pgm', '.pbm')


def encode(suffix, size_wh=(48, 20), *flags):
    image = np.random.default_rng(1).integers(0, 256, (*size_wh[::-1], 3), np.uint8)
    if suffix in ('.pgm', '.pbm'):
        image = image[..., 0]
    return cv2.imencode(suffix, image, flags)[1].tobytes()


def png_of(width_px, height_px):
    head = struct.pack('>IIBBBBB', width_px, height_px, 8, 2, 0, 0, 0)
    chunks = ((b'IHDR', head), (b'IDAT', zlib.compress(bytes(9))), (b'IEND', b''))
    return b'\x89PNG\r\n\x1a\n' + b''.join(
        struct.pack('>I', len(data)) + name + data + struct.pack('>I', zlib.crc32(name + data))
        for name, data in chunks
    )


def bmp_of(width_px, height_px):
    # A palette, and runs that end at once: the decoder leaves all the rest black.
    core = struct.pack('<IiiHHIIiiII', 40, width_px, height_px, 1, 8, 1, 2, 0, 0, 256, 0)
    return b'BM' + struct.pack('<IHHI', 1080, 0, 0, 1078) + core + bytes(1024) + b'\0\1'


def tiff_of(width_px, height_px, order='<', **tags):
    numbers = {'bits': 258, 'strip_rows': 278, 'tile_width': 322, 'tile_height': 323}
    values = {256: width_px, 257: height_px, 262: 1, 273: 8, 277: 1, 279: 100}
    values |= {numbers[name]: value for name, value in tags.items()}
    rows = (struct.pack(order + 'HHII', tag, 4, 1, values[tag]) for tag in sorted(values))
    start = b'II*\0' if order == '<' else b'MM\0*'
    return start + struct.pack(order + 'IH', 8, len(values)) + b''.join(rows) + bytes(104)


def webp_of(width_px, height_px, kind):
    canvas = (side_px.to_bytes(3, 'little') for side_px in (width_px - 1, height_px - 1))
    sizes = {
        b'VP8L': b'\x2f' + struct.pack('<I', (width_px - 1) | (height_px - 1) << 14),
        b'VP8 ': b'\x30\1\0\x9d\1\x2a' + struct.pack('<HH', width_px, height_px),
        b'VP8X': bytes(4) + b''.join(canvas),
    }
    body = b'WEBP' + kind + struct.pack('<I', 99) + sizes[kind] + bytes(99)
    return b'RIFF' + struct.pack('<I', len(body)) + body


BOMBS = {
    'png': png_of(30_000, 30_000),
    'bmp': bmp_of(30_000, 30_000),
    'bmp from the top': bmp_of(30_000, -30_000),
    'gif': b'GIF89a' + struct.pack('<HH', 30_000, 30_000) + bytes(99),
    'netpbm': b'P6\n# a comment\n30000 30000\n255\n' + bytes(99),
    'tiff': tiff_of(30_000, 30_000),
    'tiff of the other order': tiff_of(30_000, 30_000, '>'),
    'tiff of large tiles': tiff_of(8, 8, tile_width=2**16, tile_height=2**14),
    'tiff of large strips': tiff_of(2**12, 8, strip_rows=2**18),
    'tiff of large samples': tiff_of(8_000, 8_000, bits=64),
    'webp lossless': webp_of(16_000, 16_000, b'VP8L'),
    'webp lossy': webp_of(16_000, 16_000, b'VP8 '),
    'webp animated': webp_of(30_000, 30_000, b'VP8X'),
}


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
