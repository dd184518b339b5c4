"""
The records of mcap files (mcap.dev/spec), also of those that end too early.

Libraries want whole chunks, and a summary at the end to read in the order of time; a recorder that
was killed leaves neither.
"""

from collections.abc import Iterator
from dataclasses import dataclass
import struct
from typing import BinaryIO

MAGIC = b'\x89MCAP0\r\n'
HEADER, FOOTER, SCHEMA, CHANNEL, MESSAGE, CHUNK = 0x01, 0x02, 0x03, 0x04, 0x05, 0x06
STATISTICS, DATA_END = 0x0B, 0x0F
_HEAD = struct.Struct('<BQ')
_MESSAGE_HEAD = struct.Struct('<HIQQ')
_CHUNK_HEAD = struct.Struct('<QQQI')


@dataclass(frozen=True)
class Place:
    """
    Where a record of a file lies.

    :param opcode: kind of the record
    :param offset: of its content, in bytes
    :param size: of its content, as far as the file goes, in bytes
    :param is_whole: whether that is all of it
    """

    opcode: int
    offset: int
    size: int
    is_whole: bool


@dataclass(frozen=True)
class Schema:
    """A message definition."""

    name: str
    encoding: str
    text: str


@dataclass(frozen=True)
class Channel:
    """A topic."""

    schema_id: int
    topic: str
    encoding: str


@dataclass(frozen=True)
class ChunkHead:
    """
    What a chunk says of itself.

    :param start_ns: time of its first message
    :param compression: zstd, lz4 or empty
    :param data_offset: of its records in the content of the chunk, in bytes
    :param data_size: of its records as stored, in bytes
    """

    start_ns: int
    compression: str
    data_offset: int
    data_size: int


def list_records(file: BinaryIO, size: int) -> Iterator[Place]:
    """
    Go over the records of a file without reading them.

    :param file: after the magic
    :param size: of the file, in bytes
    :return: places; the last one may be cut
    """
    offset = len(MAGIC)
    while offset + _HEAD.size <= size:
        file.seek(offset)
        opcode, length = _HEAD.unpack(file.read(_HEAD.size))
        offset += _HEAD.size
        # A damaged length may claim any size.
        yield Place(opcode, offset, min(length, size - offset), offset + length <= size)
        if opcode == FOOTER:
            return
        offset += length


def split_records(data: bytes) -> Iterator[tuple[int, memoryview]]:
    """
    Go over the records of a chunk.

    :param data: decompressed; may end too early
    :return: opcode and content of each record that is whole
    """
    view, offset = memoryview(data), 0
    while offset + _HEAD.size <= len(data):
        opcode, length = _HEAD.unpack_from(data, offset)
        offset += _HEAD.size
        if offset + length > len(data):
            return
        yield opcode, view[offset : offset + length]
        offset += length


def parse_schema(content: memoryview) -> tuple[int, Schema]:
    """
    Read a definition.

    :param content: of the record
    :return: its number and what it says
    """
    name, offset = _text(content, 2)
    encoding, offset = _text(content, offset)
    text, _ = _text(content, offset)
    return _short(content, 0), Schema(name, encoding, text)


def parse_channel(content: memoryview) -> tuple[int, Channel]:
    """
    Read a topic.

    :param content: of the record
    :return: its number and what it says
    """
    topic, offset = _text(content, 4)
    encoding, _ = _text(content, offset)
    return _short(content, 0), Channel(_short(content, 2), topic, encoding)


def parse_message(content: memoryview) -> tuple[int, int, memoryview]:
    """
    Read a message.

    :param content: of the record
    :return: number of the channel, time of recording in ns, data
    """
    channel_id, _, log_time_ns, _ = _MESSAGE_HEAD.unpack_from(content)
    return channel_id, log_time_ns, content[_MESSAGE_HEAD.size :]


def parse_chunk_head(content: bytes) -> ChunkHead:
    """
    Read the beginning of a chunk.

    :param content: the first bytes of the record; 64 are enough
    :return: what it says
    :raises struct.error: when it ends before
    """
    start_ns, _, _, _ = _CHUNK_HEAD.unpack_from(content)
    compression, offset = _text(memoryview(content), _CHUNK_HEAD.size)
    (size,) = struct.unpack_from('<Q', content, offset)
    return ChunkHead(start_ns, compression, offset + 8, size)


def parse_statistics(content: bytes) -> tuple[int, dict[int, int]]:
    """
    Read what the writer counted.

    :param content: of the record
    :return: messages in all, and by number of the channel
    """
    (total,) = struct.unpack_from('<Q', content)
    # 2 + 4 * 4 + 2 * 8 bytes of other counts and times stand between.
    (size,) = struct.unpack_from('<I', content, 42)
    pairs = struct.iter_unpack('<HQ', content[46 : 46 + size])
    return total, dict(pairs)


def _short(content: memoryview, offset: int) -> int:
    (value,) = struct.unpack_from('<H', content, offset)
    return int(value)


def _text(content: memoryview, offset: int) -> tuple[str, int]:
    (size,) = struct.unpack_from('<I', content, offset)
    end = offset + 4 + size
    return bytes(content[offset + 4 : end]).decode(errors='replace'), end
