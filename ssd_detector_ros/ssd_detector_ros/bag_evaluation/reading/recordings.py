"""What every storage of a recording gives: topics, and messages in the order of their times."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Protocol

CDR = 'cdr'


@dataclass(frozen=True)
class Topic:
    """
    A topic of a recording.

    :param name: as recorded
    :param type_name: such as sensor_msgs/msg/Image
    :param serialization: of its messages; `cdr` is what ROS 2 writes
    :param definition: text of the message definition; empty where the recording has none
    :param definition_format: ros2msg or ros2idl; empty without a definition
    """

    name: str
    type_name: str
    serialization: str = CDR
    definition: str = ''
    definition_format: str = ''


@dataclass(frozen=True, eq=False)
class StoredMessage:
    """
    A message as it is stored.

    :param topic: its name
    :param time_ns: when it was recorded, by the clock of the recorder
    :param data: serialized; decompressed
    """

    topic: str
    time_ns: int
    data: bytes


class Storage(Protocol):
    """A file of a recording."""

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic that the file names, also those without a message."""

    @property
    def counts(self) -> dict[str, int]:
        """Whole messages by topic; topics without one may be missing."""

    @property
    def problems(self) -> tuple[str, ...]:
        """What is missing or damaged, one sentence each; known after opening."""

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """
        Read messages in the order of their times; few are in memory at once.

        :param topics: names
        :return: the messages
        """


def complete_type_name(name: str) -> str:
    """
    Write the name of a type in full: old recorders left `/msg/` out.

    :param name: such as sensor_msgs/Image
    :return: such as sensor_msgs/msg/Image
    """
    package, _, rest = name.partition('/')
    return f'{package}/msg/{rest}' if rest and '/' not in rest else name
