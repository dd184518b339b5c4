"""From stored bytes to messages, by the definition that the recording has."""

from collections.abc import Iterator
from functools import cache
import os
from pathlib import Path
import re
import struct
from typing import Any

from rosbags.interfaces import Nodetype
from rosbags.typesys import get_types_from_idl, get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.message_types import make_typestore
from ssd_detector_ros.bag_evaluation.reading.recordings import CDR, StoredMessage, Topic

# rosbags parses one IDL file at a time; recordings hold all that a type needs, behind such lines.
_IDL_HEAD = re.compile(r'^=+\nIDL: \S+\n', re.MULTILINE)
# What rosbags 0.11.9 can not parse: includes, and comments of several lines.
_IDL_EXTRAS = re.compile(
    r'^#include[^\n]*$|@verbatim\s*\((?:[^()"]|"(?:[^"\\]|\\.)*")*\)', re.MULTILINE
)
# A name is looked for in folders, and written into programs.
_TYPE_NAME = re.compile(r'[A-Za-z]\w{0,99}/(msg|srv|action)/[A-Za-z]\w{0,99}', re.ASCII)
# Of a message whose first field is a std_msgs/Header: behind the four bytes of the encapsulation.
_STAMP_OFFSET = 4
_NUM_HEADER_BYTES = 16
# rosbags writes a line of Python for each element of a fixed array that is no number, and runs it.
_MAX_DEFINITION_LENGTH = 1_000_000
MAX_WRITTEN_OUT = 2_000


class Decoder:
    """
    Reads the messages of a topic.

    :param topic: of a recording
    :raises BagError: when its serialization is unknown, or nobody has its definition
    """

    def __init__(self, topic: Topic) -> None:
        if topic.serialization != CDR:
            raise BagError(
                [
                    f'{topic.name}: serialization {topic.serialization}; expected {CDR}; convert '
                    f'the recording with ros2 bag convert'
                ]
            )
        self._topic = topic
        self._stores = list(_find_types(topic))
        if not self._stores:
            raise BagError(
                [
                    f'{topic.name}: no definition of {topic.type_name} that can be read in the '
                    f'recording (recorders before Iron store none), nor on this system; source '
                    f'the workspace that has its package'
                ]
            )
        self.num_damaged = 0

    def read(self, message: StoredMessage) -> Any | None:
        """
        Read a message.

        :param message: of the topic
        :return: an object with the fields of the type; None where the bytes are no such message,
            which is counted in num_damaged
        """
        # The definitions of some recordings are cut short: then the system's is tried.
        for index, store in enumerate(self._stores):
            try:
                read = store.deserialize_cdr(message.data, self._topic.type_name)
            # Generated code: what it raises for wrong bytes depends on the fields.
            except Exception:  # noqa: BLE001
                continue
            if index:
                self._stores.insert(0, self._stores.pop(index))
            return read
        self.num_damaged += 1
        return None


def _find_types(topic: Topic) -> Iterator[Typestore]:
    """Find the definition of a type: in the recording, here, and on the system."""
    if not _TYPE_NAME.fullmatch(topic.type_name):
        return
    if topic.definition and (
        store := _parse(topic.type_name, topic.definition, topic.definition_format)
    ):
        yield store
    store = make_typestore()
    if topic.type_name in store.fielddefs:
        yield store
    store = get_typestore(Stores.EMPTY)
    if _register_installed(store, topic.type_name):
        yield store


def read_header(data: bytes) -> tuple[int, str] | None:
    """
    Read stamp and frame of a message that begins with a header, without reading the rest.

    :param data: serialized
    :return: stamp in ns, frame_id; None where the bytes end before
    """
    if len(data) < _NUM_HEADER_BYTES or data[0] != 0 or data[1] not in (0, 1):
        return None
    order = '<' if data[1] == 1 else '>'
    seconds, nanoseconds, size = struct.unpack_from(f'{order}iII', data, _STAMP_OFFSET)
    text = data[_NUM_HEADER_BYTES : _NUM_HEADER_BYTES + size]
    if len(text) < size:
        return None
    return seconds * 10**9 + nanoseconds, text.rstrip(b'\0').decode(errors='replace')


@cache
def _parse(type_name: str, definition: str, definition_format: str) -> Typestore | None:
    """Take the recording's definition; None where rosbags can not parse it."""
    store = get_typestore(Stores.EMPTY)
    if len(definition) > _MAX_DEFINITION_LENGTH:
        return None
    try:
        if definition_format == 'ros2idl':
            types: dict[str, Any] = {}
            for text in _IDL_HEAD.split(definition):
                if text.strip():
                    types |= get_types_from_idl(_IDL_EXTRAS.sub('', text))
        else:
            types = get_types_from_msg(definition, type_name)
        if _count_written_out(types) > MAX_WRITTEN_OUT:
            return None
        store.register(types)
        store.get_msgdef(type_name)
    # A parser of texts from elsewhere: the errors are its own and those of what it calls.
    except Exception:  # noqa: BLE001
        return None
    return store


def _count_written_out(types: dict[str, Any]) -> int:
    """Count elements of fixed arrays of texts and messages, in arrays of these as well."""

    def count(fields: Any) -> int:
        return sum(
            description[1][1]
            for _, description in fields
            if description[0] == Nodetype.ARRAY
            and (description[1][0][0] == Nodetype.NAME or description[1][0][1][0] == 'string')
        )

    return sum(count(fields) for _, fields in types.values())


def _register_installed(store: Typestore, name: str) -> bool:
    """Read *.msg files of the sourced workspaces, also those that the type is made of."""
    if name in store.fielddefs:
        return True
    package, _, message = name.partition('/msg/')
    for prefix in os.environ.get('AMENT_PREFIX_PATH', '').split(os.pathsep):
        path = Path(prefix, 'share', package, 'msg', f'{message}.msg')
        if prefix and path.is_file():
            types = get_types_from_msg(path.read_text(encoding='utf-8'), name)
            used = set(re.findall(r"'(\w+/msg/\w+)'", repr(types))) - set(types)
            if not all(_register_installed(store, type_name) for type_name in used):
                return False
            store.register(types)
            return True
    return False
