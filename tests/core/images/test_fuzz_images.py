"""Pictures and messages bent at any place: an error of ours or success, within memory and time."""

from functools import cache

import cv2
from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector.images.claims import read_claim
from ssd_detector.images.decoding import decode_samples, to_rgb
from tests.fuzzing import bent_bytes, fuzzed, Sandbox

pytestmark = pytest.mark.fuzz
SUFFIXES = ('.jpg', '.png', '.bmp', '.webp', '.tiff', '.gif', '.ppm', '.pgm')
# Of a picture: 12 bytes a pixel, and what the decoder has beside it.
MAX_PIXELS = 4_000_000
MEMORY_MB, TIMEOUT_S = 12 * MAX_PIXELS // 2**20 + 150, 5.0
FLAGS = {
    '.jpg': ([], [cv2.IMWRITE_JPEG_PROGRESSIVE, 1]),
    '.tiff': ([], [cv2.IMWRITE_TIFF_COMPRESSION, 1], [cv2.IMWRITE_TIFF_COMPRESSION, 8]),
}


@cache
def good(suffix: str, index: int, depth: type) -> bytes:
    """Give a picture."""
    image = np.random.default_rng(1).integers(0, 256, (20, 48, 3)).astype(depth)
    if suffix == '.pgm':
        image = image[..., 0]
    return cv2.imencode(suffix, image, FLAGS.get(suffix, ([],))[index])[1].tobytes()


def decode(content: bytes) -> None:
    """Decode, in the process with limits."""
    samples = decode_samples(content, max_pixels=MAX_PIXELS)
    claim = read_claim(content)
    assert claim is not None and samples.shape[0] * samples.shape[1] <= claim.num_pixels
    if samples.dtype == np.uint8:
        to_rgb(samples)


@pytest.fixture(scope='module')
def sandbox():
    one = Sandbox(
        'tests.core.images.test_fuzz_images:decode', memory_mb=MEMORY_MB, timeout_s=TIMEOUT_S
    )
    yield one
    one.close()


@fuzzed
@given(st.data())
def test_any_bytes_in_a_picture(sandbox, data):
    suffix = data.draw(st.sampled_from(SUFFIXES))
    index = data.draw(st.integers(0, len(FLAGS.get(suffix, ([],))) - 1))
    depth = np.uint16 if suffix in ('.png', '.tiff') and data.draw(st.booleans()) else np.uint8
    sandbox.run(data.draw(bent_bytes(good(suffix, index, depth))))


@fuzzed
@given(st.data())
def test_any_head_of_a_picture(sandbox, data):
    """Most of what a head claims lies in its first bytes."""
    suffix = data.draw(st.sampled_from(SUFFIXES))
    content = good(suffix, 0, np.uint8)
    head = data.draw(st.integers(8, 80))
    sandbox.run(data.draw(bent_bytes(content[:head])) + content[head:])


@fuzzed
@given(
    st.sampled_from([b'\xff\xd8', b'II*\0', b'MM\0*', b'BM', b'GIF89a', b'P6\n', b'RIFF']),
    st.binary(),
)
def test_any_bytes_behind_the_start_of_a_picture(sandbox, start, content):
    sandbox.run(start + content)
