"""
What an ONNX file holds that a detector's does not: files elsewhere, loops, functions of its own.

The file is walked as the wire format of protobuf (protobuf.dev/programming-guides/encoding); its
numbers of fields are those of onnx.proto. Weights are stepped over.
"""

from collections.abc import Iterator

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
# message -> field -> message that lies there; others are stepped over.
_MESSAGES = {
    'model': {7: 'graph'},
    'graph': {1: 'node', 5: 'tensor'},
    'node': {5: 'attribute'},
    'attribute': {5: 'tensor', 10: 'tensor'},
    'tensor': {},
}
# Subgraphs are what Loop, Scan and If run, as often and as long as they like.
_SUBGRAPH = 'a graph within the graph (Loop, Scan, If)'
_EXTERNAL = 'weights in another file, which no hash of the manifest covers'
_UNUSUAL = {
    ('model', 20): 'a training graph',
    ('model', 25): 'functions of its own',
    ('graph', 15): 'sparse weights',
    ('attribute', 6): _SUBGRAPH,
    ('attribute', 11): _SUBGRAPH,
    ('attribute', 22): 'sparse weights',
    ('attribute', 23): 'sparse weights',
    ('tensor', 13): _EXTERNAL,
}
_DATA_LOCATION = ('tensor', 14)
_NUM_VARINT_BYTES = 10


def find_unusual_parts(content: bytes) -> list[str]:
    """
    Look for what no export of a detector writes, and for what is no ONNX file at all.

    :param content: of the file
    :return: what was found, in words; empty when all is well
    """
    try:
        return sorted(set(_walk(memoryview(content), 'model')))
    except (IndexError, ValueError) as error:
        return [f'what is no ONNX file ({error})']


def _walk(content: memoryview, message: str) -> Iterator[str]:
    inner = _MESSAGES[message]
    for field, value in _fields(content):
        if unusual := _UNUSUAL.get((message, field)):
            yield unusual
        elif (message, field) == _DATA_LOCATION and value != 0:
            yield _EXTERNAL
        elif field in inner:
            if not isinstance(value, memoryview):
                raise ValueError(f'field {field} of a {message} is a number')
            yield from _walk(value, inner[field])


def _fields(content: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    at = 0
    while at < len(content):
        key, at = _varint(content, at)
        field, wire_type = key >> 3, key & 7
        if wire_type == _VARINT:
            value, at = _varint(content, at)
            yield field, value
            continue
        if wire_type == _BYTES:
            size, at = _varint(content, at)
        elif wire_type in (_FIXED32, _FIXED64):
            size = 4 if wire_type == _FIXED32 else 8
        else:
            raise ValueError(f'wire type {wire_type}')
        if at + size > len(content):
            raise ValueError('it ends too early')
        yield field, content[at : at + size]
        at += size


def _varint(content: memoryview, at: int) -> tuple[int, int]:
    value = 0
    for index in range(_NUM_VARINT_BYTES):
        byte = content[at + index]
        value |= (byte & 0x7F) << 7 * index
        if byte < 0x80:
            return value, at + index + 1
    raise ValueError('a number without end')
