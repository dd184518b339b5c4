"""Reads `*.mcap` files of recordings, in the order of time, chunk by chunk."""

from collections import Counter
from collections.abc import Collection, Iterator
import heapq
from pathlib import Path
import struct
from typing import BinaryIO

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.compression import (
    decompress_chunk,
    MAX_MESSAGE_BYTES,
)
from ssd_detector_ros.bag_evaluation.reading.mcap_records import (
    CHANNEL,
    Channel,
    CHUNK,
    FOOTER,
    list_records,
    MAGIC,
    MESSAGE,
    parse_channel,
    parse_chunk_head,
    parse_message,
    parse_schema,
    parse_statistics,
    Place,
    SCHEMA,
    Schema,
    split_records,
    STATISTICS,
)
from ssd_detector_ros.bag_evaluation.reading.recordings import (
    CDR,
    complete_type_name,
    StoredMessage,
    Topic,
)

_HEAD_BYTES = 64
# Others, such as attachments, are skipped.
_READ = (CHUNK, MESSAGE, SCHEMA, CHANNEL, STATISTICS)


class McapStorage:
    """
    An `*.mcap` file; one that was cut off gives what is whole.

    :param path: the file
    :raises BagError: when it is none
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._problems: list[str] = []
        self._schemas: dict[int, Schema] = {}
        self._channels: dict[int, Channel] = {}
        # Time of the first message, and where it or its chunk lies.
        self._parts: list[tuple[int, Place]] = []
        self._statistics: dict[int, int] | None = None
        try:
            with path.open('rb') as file:
                is_finished = self._survey(file)
        except OSError as error:
            raise BagError([f'{path}: can not be read ({error.strerror})']) from error
        # Chunks may overlap; messages are put in order between them.
        self._parts.sort(key=lambda part: (part[0], part[1].offset))
        self._is_counted = is_finished and self._statistics is not None
        self._counts = self._count()
        if not is_finished:
            self._problems.append(
                f'{path}: ends without a footer: the recording was cut off; '
                f'{sum(self._counts.values())} whole messages are read, what followed is missing'
            )

    @property
    def topics(self) -> tuple[Topic, ...]:
        """Every topic that the file names."""
        return tuple(self._describe(channel) for channel in self._channels.values())

    @property
    def counts(self) -> dict[str, int]:
        """Whole messages by topic."""
        return self._counts

    @property
    def problems(self) -> tuple[str, ...]:
        """What is missing or damaged."""
        return tuple(self._problems)

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """
        Read messages in the order of their times.

        :param topics: names
        :return: the messages
        """
        wanted = {
            key: channel.topic
            for key, channel in self._channels.items()
            if channel.topic in topics
        }
        # Equal times stay in the order of the file.
        waiting: list[tuple[int, int, int, memoryview]] = []
        num_seen = 0
        with self._path.open('rb') as file:
            for start_ns, place in self._parts:
                while waiting and waiting[0][0] < start_ns:
                    yield self._take(waiting, wanted)
                for channel_id, time_ns, data in self._read_part(file, place):
                    num_seen += 1
                    if channel_id in wanted:
                        heapq.heappush(waiting, (time_ns, num_seen, channel_id, data))
            while waiting:
                yield self._take(waiting, wanted)

    def _take(
        self, waiting: list[tuple[int, int, int, memoryview]], wanted: dict[int, str]
    ) -> StoredMessage:
        time_ns, _, channel_id, data = heapq.heappop(waiting)
        return StoredMessage(wanted[channel_id], time_ns, bytes(data))

    def _survey(self, file: BinaryIO) -> bool:
        """Find parts, topics and counts; tell whether the file was finished."""
        if file.read(len(MAGIC)) != MAGIC:
            raise BagError([f'{self._path}: is no mcap file (it begins otherwise)'])
        size = self._path.stat().st_size
        for place in list_records(file, size):
            if place.opcode == FOOTER:
                return place.is_whole
            if place.opcode in _READ and place.size > MAX_MESSAGE_BYTES:
                self._add_problem(
                    f'{self._path}: a record has {place.size} bytes; expected at most '
                    f'{MAX_MESSAGE_BYTES}; left out'
                )
            elif place.opcode in (CHUNK, MESSAGE):
                self._note_part(file, place)
            elif place.is_whole and place.opcode in (SCHEMA, CHANNEL, STATISTICS):
                self._note(place.opcode, memoryview(_read(file, place.offset, place.size)))
        return False

    def _note_part(self, file: BinaryIO, place: Place) -> None:
        head = _read(file, place.offset, min(place.size, _HEAD_BYTES))
        if place.opcode == MESSAGE and not place.is_whole:
            return
        try:
            if place.opcode == MESSAGE:
                start_ns = parse_message(memoryview(head))[1]
            else:
                start_ns = parse_chunk_head(head).start_ns
        except struct.error:
            return
        self._parts.append((start_ns, place))

    def _note(self, opcode: int, content: memoryview) -> None:
        try:
            if opcode == SCHEMA:
                key, schema = parse_schema(content)
                self._schemas[key] = schema
            elif opcode == CHANNEL:
                number, channel = parse_channel(content)
                self._channels[number] = channel
            elif opcode == STATISTICS:
                _, self._statistics = parse_statistics(bytes(content))
        except struct.error:
            self._add_problem(f'{self._path}: a record that names topics or counts is damaged')

    def _read_part(self, file: BinaryIO, place: Place) -> Iterator[tuple[int, int, memoryview]]:
        content = _read(file, place.offset, place.size)
        try:
            if place.opcode == MESSAGE:
                yield parse_message(memoryview(content))
                return
            head = parse_chunk_head(content)
            data = content[head.data_offset : head.data_offset + head.data_size]
            records = decompress_chunk(data, head.compression)
            for opcode, record in split_records(records):
                if opcode == MESSAGE:
                    yield parse_message(record)
                else:
                    self._note(opcode, record)
        except (ValueError, struct.error) as error:
            self._add_problem(f'{self._path}: a chunk is damaged ({error}); messages are missing')

    def _count(self) -> dict[str, int]:
        """Take what the writer counted, or read everything once where it did not come to it."""
        if self._is_counted and self._statistics is not None:
            by_channel = Counter(self._statistics)
        else:
            by_channel = Counter()
            with self._path.open('rb') as file:
                for _, place in self._parts:
                    by_channel.update(key for key, _, _ in self._read_part(file, place))
        counts: Counter[str] = Counter()
        for channel_id, count in by_channel.items():
            if channel_id in self._channels:
                counts[self._channels[channel_id].topic] += count
        return dict(counts)

    def _describe(self, channel: Channel) -> Topic:
        schema = self._schemas.get(channel.schema_id, Schema('', '', ''))
        return Topic(
            channel.topic,
            complete_type_name(schema.name),
            channel.encoding or CDR,
            schema.text,
            schema.encoding if schema.text else '',
        )

    def _add_problem(self, sentence: str) -> None:
        if sentence not in self._problems:
            self._problems.append(sentence)


def _read(file: BinaryIO, offset: int, size: int) -> bytes:
    file.seek(offset)
    return file.read(size)
