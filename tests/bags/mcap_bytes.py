"""Files of mcap (mcap.dev/spec), made record by record."""

import struct

import lz4.frame

from ssd_detector_ros.bag_evaluation.reading.compression import zstd
from ssd_detector_ros.bag_evaluation.reading.mcap_records import (
    CHANNEL,
    CHUNK,
    MAGIC,
    MESSAGE,
    SCHEMA,
)

PACKERS = {'': bytes, 'zstd': zstd.compress, 'lz4': lz4.frame.compress}
FOOTER, HEADER = 0x02, 0x01


def record(opcode, content):
    return struct.pack('<BQ', opcode, len(content)) + content


def text(value):
    content = value.encode('utf-8', 'surrogatepass')
    return struct.pack('<I', len(content)) + content


def message(time_ns, data=b'\0\1\0\0'):
    return record(MESSAGE, struct.pack('<HIQQ', 1, 0, time_ns, time_ns) + data)


def chunk(times_ns, compression='', data=b'\0\1\0\0'):
    records = b''.join(message(time_ns, data) for time_ns in times_ns)
    packed = PACKERS[compression](records)
    return packed_chunk(packed, len(records), compression, times_ns)


def packed_chunk(packed, size, compression, times_ns=(1, 1)):
    head = struct.pack('<QQQI', min(times_ns), max(times_ns), size, 0)
    return record(CHUNK, head + text(compression) + struct.pack('<Q', len(packed)) + packed)


def write_mcap(path, *parts, is_finished=True, definition='', type_name='std_msgs/Empty'):
    schema = struct.pack('<H', 1) + text(type_name) + text('ros2msg') + text(definition)
    channel = struct.pack('<HH', 1, 1) + text('/topic') + text('cdr') + text('')
    content = MAGIC + record(HEADER, text('') + text('test'))
    content += record(SCHEMA, schema) + record(CHANNEL, channel) + b''.join(parts)
    if is_finished:
        content += record(FOOTER, bytes(20)) + MAGIC
    path.write_bytes(content)
    return path
