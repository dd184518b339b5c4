"""Training and node make the same pixels of the same bytes, and refuse the same."""

import cv2
import numpy as np
import pytest
from sensor_msgs.msg import CompressedImage

from ssd_detector import ImageError
from ssd_detector_ros.images.compressed_images import decode_rgb
from ssd_training.data.images.decoding import Decoding
from ssd_training.errors import DataError

RNG = np.random.default_rng(0)
PIXELS = cv2.resize(RNG.integers(0, 256, (4, 6, 3), np.uint8), (64, 48))
SAMPLES = RNG.integers(0, 2**16, (48, 64, 3), np.uint16)


def encode(suffix, pixels):
    return cv2.imencode(suffix, pixels)[1].tobytes()


READABLE = {
    'jpeg': encode('.jpg', PIXELS),
    'grey jpeg': encode('.jpg', PIXELS[..., 0]),
    'jpeg with a tail': encode('.jpg', PIXELS) + b'\r\n',
    'png': encode('.png', PIXELS),
    'transparent png': encode('.png', np.dstack([PIXELS, PIXELS[..., 0]])),
    'png of 16 bits': encode('.png', SAMPLES),
    'grey png of 16 bits': encode('.png', SAMPLES[..., 0]),
    'webp': encode('.webp', PIXELS),
    'tiff of 16 bits': encode('.tiff', SAMPLES),
}
UNREADABLE = {
    'nothing': b'',
    'cut jpeg': READABLE['jpeg'][:-9],
    'cut jpeg with a tail': READABLE['jpeg'][:-9] + b'\r\n',
    'cut png': READABLE['png'][:200],
    'radiance in floats': encode('.hdr', PIXELS.astype(np.float32)),
    'tiff in floats': encode('.tiff', PIXELS[..., 0].astype(np.float32)),
}


@pytest.mark.parametrize('content', READABLE.values(), ids=list(READABLE))
def test_training_and_node_see_the_same_pixels(content):
    trained_on_rgb = Decoding().decode(content, 'photograph')

    np.testing.assert_array_equal(
        decode_rgb(CompressedImage(data=content, format='')), trained_on_rgb
    )


@pytest.mark.parametrize('content', UNREADABLE.values(), ids=list(UNREADABLE))
def test_training_and_node_refuse_the_same_in_the_same_words(content, capfd):
    with pytest.raises(DataError) as trained:
        Decoding().decode(content, 'photograph')
    with pytest.raises(ImageError) as served:
        decode_rgb(CompressedImage(data=content, format=''))

    reason = trained.value.findings[0].removeprefix('photograph: ').partition(';')[0]
    assert reason in str(served.value)
