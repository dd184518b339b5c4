"""Serialized images, read in place: as rclpy reads them, or refused as an ImageError."""

import struct

from builtin_interfaces.msg import Time
from hypothesis import given, settings
from hypothesis import strategies as st
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ssd_detector import ImageError
from ssd_detector_ros.images.serialized_images import read_image
from tests import strategies

numbers = st.integers(0, 2**32 - 1)


@st.composite
def images(draw):
    stamp = Time(sec=draw(st.integers(-(2**31), 2**31 - 1)), nanosec=draw(numbers))
    return Image(
        header=Header(stamp=stamp, frame_id=draw(strategies.texts)),
        height=draw(numbers),
        width=draw(numbers),
        encoding=draw(strategies.texts),
        is_bigendian=draw(st.integers(0, 255)),
        step=draw(numbers),
        data=draw(st.binary(max_size=20)),
    )


def fields(message):
    names = ('header', 'height', 'width', 'encoding', 'is_bigendian', 'step')
    return [*(getattr(message, name) for name in names), bytes(message.data)]


def big_endian_cdr(message):
    """Serialize as a computer with the other byte order does; slow and obviously right."""

    def number(kind, value):
        size = struct.calcsize(kind)
        while len(body) % size:
            body.append(0)
        body.extend(struct.pack(f'>{kind}', value))

    def text(value):
        encoded = value.encode() + b'\0'
        number('I', len(encoded))
        body.extend(encoded)

    body = bytearray()
    number('i', message.header.stamp.sec)
    number('I', message.header.stamp.nanosec)
    text(message.header.frame_id)
    number('I', message.height)
    number('I', message.width)
    text(message.encoding)
    number('B', message.is_bigendian)
    number('I', message.step)
    number('I', len(message.data))
    return b'\0\0\0\0' + bytes(body) + bytes(message.data)


@given(images())
def test_an_image_is_read_as_rclpy_reads_it(message):
    assert fields(read_image(serialize_message(message))) == fields(message)


@given(images())
def test_the_other_byte_order_is_read_too(message):
    serialized = big_endian_cdr(message)
    assert fields(deserialize_message(serialized, Image)) == fields(message)
    assert fields(read_image(serialized)) == fields(message)


def test_pixels_are_not_copied():
    serialized = serialize_message(Image(data=bytes(1000)))
    assert read_image(serialized).data.obj is serialized


@given(images(), st.integers(1, 60))
def test_a_message_that_ends_early_is_an_image_error(message, num_missing):
    serialized = serialize_message(message)
    with pytest.raises(ImageError, match='received .* bytes'):
        read_image(serialized[: max(len(serialized) - num_missing, 0)])


# Of bytes a few tell nothing, and an example takes less than a millisecond.
@settings(max_examples=10 * settings.default.max_examples)
@given(st.sampled_from([b'\0\1\0\0', b'\0\0\0\0', b'\0\2\0\0', b'']), st.binary(max_size=80))
def test_any_bytes_are_an_image_or_an_image_error(start, rest):
    try:
        message = read_image(start + rest)
    except ImageError:
        return
    assert len(message.data) <= len(rest)


def test_a_text_that_is_not_utf_8_can_be_sent_on():
    serialized = serialize_message(Image(header=Header(frame_id='camera')))
    message = read_image(serialized.replace(b'camera', b'c\xffm\xfera'))
    assert serialize_message(message.header)
