"""A recording: its files as one, whatever their storage."""

from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import replace
import heapq
from pathlib import Path
import shutil
import tempfile
import weakref

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.compression import decompress_file, decompress_message
from ssd_detector_ros.bag_evaluation.reading.mcap_storage import McapStorage
from ssd_detector_ros.bag_evaluation.reading.metadata import COMPRESSED, Files, find_files
from ssd_detector_ros.bag_evaluation.reading.recordings import CDR, Storage, StoredMessage, Topic
from ssd_detector_ros.bag_evaluation.reading.sqlite_storage import SqliteStorage


class Recording:
    """
    A recording of ROS 2.

    :param path: its folder, or one of its files
    :raises BagError: when it can't be read at all; what is missing is in `problems`
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.name = path.absolute().name
        files = find_files(path)
        self._serializations = files.serializations
        self._problems = _describe_missing(path, files)
        self._storages: list[Storage] = []
        for file in files.found:
            try:
                self._storages.append(self._open(file))
            except BagError as error:
                # The others may be whole.
                if len(files.found) == 1:
                    raise
                self._problems += error.findings
        if not self._storages:
            raise BagError(self._problems)
        self._counts: Counter[str] = Counter()
        for storage in self._storages:
            self._counts.update(storage.counts)
        self._compare_counts(files)

    @property
    def topics(self) -> dict[str, Topic]:
        """Every topic by its name; where files differ, one that has a definition goes first."""
        topics: dict[str, Topic] = {}
        for storage in self._storages:
            for topic in storage.topics:
                known = topics.get(topic.name)
                if known is None or (topic.definition and not known.definition):
                    topics[topic.name] = topic
        # The sqlite3 files of some recorders say cdr of everything.
        for name, serialization in self._serializations.items():
            if name in topics and serialization != CDR:
                topics[name] = replace(topics[name], serialization=serialization)
        return topics

    @property
    def counts(self) -> dict[str, int]:
        """Whole messages by topic, as counted in the files, not as metadata.yaml says."""
        return {name: self._counts[name] for name in self.topics}

    @property
    def problems(self) -> tuple[str, ...]:
        """What is missing or damaged, one sentence each."""
        own = [*self._problems]
        for storage in self._storages:
            own += storage.problems
        return tuple(dict.fromkeys(own))

    def messages(self, topics: Collection[str]) -> Iterator[StoredMessage]:
        """
        Read messages in the order of their times; few are in memory at once.

        :param topics: names
        :return: the messages, decompressed; damaged ones are left out and told in `problems`
        """
        num_damaged = 0
        streams = [storage.messages(topics) for storage in self._storages]
        for message in heapq.merge(*streams, key=lambda stored: stored.time_ns):
            try:
                data = decompress_message(message.data)
            except ValueError:
                num_damaged += 1
                continue
            yield StoredMessage(message.topic, message.time_ns, data)
        if num_damaged:
            self._problems.append(
                f'{self.path}: {num_damaged} messages are damaged zstd frames; left out'
            )

    def _open(self, file: Path) -> Storage:
        if file.name.endswith(COMPRESSED):
            folder = tempfile.mkdtemp(prefix='ssd_bag_')
            weakref.finalize(self, shutil.rmtree, folder, ignore_errors=True)
            file = decompress_file(file, Path(folder))
        return McapStorage(file) if file.suffix == '.mcap' else SqliteStorage(file)

    def _compare_counts(self, files: Files) -> None:
        total = sum(self._counts.values())
        if files.num_promised is not None and files.num_promised != total:
            self._problems.append(
                f'{self.path}: metadata.yaml promises {files.num_promised} messages, the files '
                f'hold {total}; what the files hold is read'
            )


def _describe_missing(path: Path, files: Files) -> list[str]:
    if not files.missing:
        return []
    names = ', '.join(files.missing[:3]) + (', ...' if len(files.missing) > 3 else '')
    total = len(files.found) + len(files.missing)
    return [
        f'{path}: {len(files.missing)} of {total} files that metadata.yaml names are missing '
        f'({names}); what they held is not read'
    ]
