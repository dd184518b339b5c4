"""Serialized images bent at any place: an error of ours or success, within memory and time."""

from hypothesis import given
from hypothesis import strategies as st
import pytest
from rclpy.serialization import serialize_message

from ssd_detector_ros.images.raw_images import ENCODINGS, to_rgb
from ssd_detector_ros.images.serialized_images import read_image
from tests.fuzzing import bent_bytes, fuzzed, Sandbox
from tests.ros.made_images import plain_image

pytestmark = pytest.mark.fuzz


def convert(serialized: bytes) -> None:
    """Read and convert, in the process with limits."""
    to_rgb(read_image(serialized))


@pytest.fixture(scope='module')
def sandbox():
    one = Sandbox('tests.ros.images.test_fuzz_messages:convert', memory_mb=200, timeout_s=5.0)
    yield one
    one.close()


@fuzzed
@given(st.data())
def test_any_bytes_in_a_serialized_image(sandbox, data):
    message = plain_image()
    message.encoding = data.draw(st.sampled_from(sorted(ENCODINGS)))
    sandbox.run(data.draw(bent_bytes(serialize_message(message))))
