"""
Reads serialized sensor_msgs/Image in place (OMG CDR, as DDS carries it).

rclpy's own conversion copies the pixels once more, holds the interpreter's lock meanwhile, and
drops without a word what it can't convert.
"""

from dataclasses import dataclass
import struct

from rclpy.serialization import deserialize_message
from sensor_msgs.msg import Image
from std_msgs.msg import Header

from ssd_detector import ImageError

# The first two bytes; the next two are options, and alignment counts from the fifth.
_BYTE_ORDERS = {b'\x00\x00': '>', b'\x00\x01': '<'}
_START = 4


@dataclass(frozen=True, eq=False)
class ReceivedImage:
    """
    The fields of a sensor_msgs/Image.

    :param data: a view of the serialized message
    """

    header: Header
    height: int
    width: int
    encoding: str
    is_bigendian: int
    step: int
    data: memoryview


def read_image(serialized: bytes) -> ReceivedImage | Image:
    """
    Read an image; its pixels are not copied.

    :param serialized: from a subscription with `raw`
    :return: the image; an Image where the encoding is none that is read here, as rclpy converts it
    :raises ImageError: when the message ends too early or is none
    """
    byte_order = _BYTE_ORDERS.get(serialized[:2])
    try:
        if byte_order is None:
            return deserialize_message(serialized, Image)
        return _read_fields(_Reader(serialized, byte_order))
    # rclpy raises errors of several kinds for bytes that are no message.
    except Exception as error:
        raise ImageError(
            f'image message: received {len(serialized)} bytes that are no sensor_msgs/Image '
            f'({error}); check the publisher and the type of the topic'
        ) from error


def _read_fields(reader: '_Reader') -> ReceivedImage:
    header = Header()
    header.stamp.sec, header.stamp.nanosec = reader.numbers('iI')
    header.frame_id = reader.text()
    height, width = reader.numbers('II')
    encoding = reader.text()
    (is_bigendian,) = reader.numbers('B')
    (step,) = reader.numbers('I')
    return ReceivedImage(header, height, width, encoding, is_bigendian, step, reader.content())


class _Reader:
    """
    Reads one field after the other.

    :param serialized: the message
    :param byte_order: `<` or `>`, as of struct
    """

    def __init__(self, serialized: bytes, byte_order: str) -> None:
        self._serialized = serialized
        self._byte_order = byte_order
        self._position = _START

    def numbers(self, kinds: str) -> tuple[int, ...]:
        """Read numbers of one size, given as letters of struct, at their alignment."""
        format_ = self._byte_order + kinds
        size = struct.calcsize(format_)
        self._position += (_START - self._position) % (size // len(kinds))
        values = struct.unpack_from(format_, self._serialized, self._position)
        self._position += size
        return values

    def content(self) -> memoryview:
        """Read a sequence of bytes."""
        (size,) = self.numbers('I')
        end = self._position + size
        if end > len(self._serialized):
            raise ValueError(f'{size} bytes at {self._position} go beyond the end')
        content = memoryview(self._serialized)[self._position : end]
        self._position = end
        return content

    def text(self) -> str:
        """Read a text; bytes that are not UTF-8 are replaced, so that it can be sent on."""
        return bytes(self.content()).removesuffix(b'\0').decode(errors='replace')
