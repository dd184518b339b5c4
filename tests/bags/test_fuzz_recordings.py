"""Recordings bent at any place are read, counted and decoded: an error of ours or success."""

from functools import cache
from pathlib import Path
import sqlite3
import tempfile

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ssd_detector_ros.bag_evaluation.making.making import Layout
from ssd_detector_ros.bag_evaluation.reading.decoding import Decoder
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from tests.bags.mcap_bytes import chunk, write_mcap
from tests.bags.scenery import write_colored
from tests.bent_data_sets import encoded, Files, strange, write
from tests.fuzzing import bent_bytes, fuzzed, Sandbox, texts

pytestmark = pytest.mark.fuzz

LAYOUTS = (
    Layout(storage='mcap'),
    Layout(storage='mcap', compression='message', transport='jpeg'),
    Layout(storage='mcap', compression='file'),
    Layout(storage='sqlite3', transport='png'),
)
TYPES = ('uint8', 'string', 'Empty', 'float64', 'a/Other', 'wstring', 'time', 'char', 'any')
SIZES = ('', '[]', '[3]', '[<=4]', '[999999]', '[99999999999]', '[-1]', '<=9[]')


def read(files: Files) -> None:
    """Read all that evaluate_bag and extract read of a recording."""
    with tempfile.TemporaryDirectory() as folder:
        write(files, Path(folder))
        recording = Recording(Path(folder))
        for topic in recording.topics.values():
            decoder = Decoder(topic)
            for message in recording.messages({topic.name}):
                decoder.read(message)
        assert all(recording.problems)


@cache
def recording_of(index: int) -> Files:
    """Give the files of a small recording."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_colored(Path(folder, 'bag'), (0, 1), LAYOUTS[index])
        return {file.name: file.read_bytes() for file in path.iterdir()}


def defined_as(definition: str, type_name: str) -> Files:
    """Give a recording whose type is defined so."""
    with tempfile.TemporaryDirectory() as folder:
        path = write_mcap(
            Path(folder, 'bag.mcap'),
            chunk([1, 2], data=b'\0\1\0\0' + b'\5\0\0\0' * 9),
            definition=definition,
            type_name=type_name,
        )
        return {path.name: path.read_bytes()}


@st.composite
def with_bent_file(draw) -> Files:
    """Bend a file of a recording, or put something else in its place."""
    files = recording_of(draw(st.integers(0, len(LAYOUTS) - 1)))
    name = draw(st.sampled_from(sorted(files)))
    return files | {name: draw(bent_bytes(files[name]) | bent_bytes(files[name]) | strange)}


@st.composite
def bent_tables(draw) -> Files:
    """Change, add or replace tables of a recording in sqlite3."""
    names = ('topics', 'messages', 'message_definitions', 'schema', 'metadata')
    changes = (
        'DROP TABLE {name}',
        'ALTER TABLE {name} RENAME TO other',
        'UPDATE {name} SET {column} = {value}',
        'DROP TABLE {name}; CREATE VIEW {name} AS WITH RECURSIVE c(id, topic_id, timestamp, data) '
        "AS (SELECT 1, 1, 1, x'' UNION ALL SELECT id + 1, 1, 1, x'' FROM c) SELECT * FROM c",
        'ALTER TABLE {name} ADD COLUMN c AS (zeroblob(1000000000))',
    )
    columns = ('id', 'topic_id', 'timestamp', 'data', 'name', 'type', 'serialization_format')
    values = ('NULL', '-1', '9e999', "'x'", "x'00'", 'zeroblob(999999999)', '9223372036854775807')
    (name, content) = next(
        (name, content) for name, content in recording_of(3).items() if name.endswith('.db3')
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content)
        connection = sqlite3.connect(path)
        for _ in range(draw(st.integers(1, 3))):
            change = draw(st.sampled_from(changes)).format(
                name=draw(st.sampled_from(names)),
                column=draw(st.sampled_from(columns)),
                value=draw(st.sampled_from(values)),
            )
            try:
                connection.executescript(change)
            except sqlite3.Error:
                continue
        connection.close()
        return {name: path.read_bytes()}


@pytest.fixture(scope='module')
def sandbox():
    process = Sandbox('tests.bags.test_fuzz_recordings:read', memory_mb=1300, timeout_s=10.0)
    yield process
    process.close()


def test_good_recordings_are_read(sandbox):
    assert [sandbox.run(recording_of(index)) for index in range(len(LAYOUTS))] == [''] * 4
    assert sandbox.run(defined_as('uint32 a\nuint32[8] b\n', 'std_msgs/msg/Empty')) == ''


@fuzzed
@given(with_bent_file())
def test_any_file_of_a_recording(sandbox, files):
    sandbox.run(files)


@fuzzed
@given(bent_tables())
def test_any_tables(sandbox, files):
    sandbox.run(files)


@fuzzed
@given(
    st.lists(
        st.tuples(st.sampled_from(TYPES), st.sampled_from(SIZES), st.sampled_from('abc')).map(
            lambda parts: f'{parts[0]}{parts[1]} {parts[2]}'
        )
        | st.sampled_from(['===\nMSG: a/Other', 'uint8 X=1', 'string S="\x1b"'])
        | texts
    ).map('\n'.join),
    st.sampled_from(['std_msgs/msg/Empty', 'a/msg/B']) | texts,
)
def test_any_definition(sandbox, definition, type_name):
    sandbox.run(defined_as(definition, type_name))


@fuzzed
@given(st.lists(texts | st.sampled_from(['- &a', '*a', 'x:', '  y: 1'])).map('\n'.join))
def test_any_metadata(sandbox, text):
    sandbox.run(recording_of(0) | {'metadata.yaml': encoded(text)})
