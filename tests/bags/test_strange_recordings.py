"""Recordings of strangers cost what a budget says: memory, time, files elsewhere."""

import os
import sqlite3
import struct

import pytest

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.making import Layout
from ssd_detector_ros.bag_evaluation.reading import compression
from ssd_detector_ros.bag_evaluation.reading.decoding import Decoder
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.scoring.labels import read_class_map, read_labels
from tests.bags.mcap_bytes import (
    CHUNK,
    chunk,
    message,
    packed_chunk,
    PACKERS,
    record,
    write_mcap,
)
from tests.bags.scenery import write_colored

LIMIT_BYTES = 100_000


@pytest.fixture
def low_limit(monkeypatch):
    """Allow messages so small that the test does not need what it refuses."""
    monkeypatch.setattr(compression, 'MAX_MESSAGE_BYTES', LIMIT_BYTES)


@pytest.mark.parametrize('packer', ['zstd', 'lz4'])
def test_a_chunk_that_unpacks_to_more_than_a_message_may_have_is_left_out(
    packer, low_limit, tmp_path
):
    packed = PACKERS[packer](message(1, bytes(3 * LIMIT_BYTES)))
    assert len(packed) < LIMIT_BYTES / 10
    bomb = packed_chunk(packed, 3 * LIMIT_BYTES, packer)
    recording = Recording(write_mcap(tmp_path / 'a.mcap', bomb, chunk([2], packer)))

    assert [stored.time_ns for stored in recording.messages({'/topic'})] == [2]
    assert f'of more than {LIMIT_BYTES} bytes' in ' '.join(recording.problems)


def test_a_message_that_unpacks_to_more_than_it_may_have_is_left_out(low_limit, tmp_path):
    bomb = PACKERS['zstd'](bytes(LIMIT_BYTES + 1))
    fits = PACKERS['zstd'](bytes(LIMIT_BYTES))
    path = write_mcap(tmp_path / 'a.mcap', message(1, bomb), message(2, fits))
    recording = Recording(path)

    assert [len(stored.data) for stored in recording.messages({'/topic'})] == [LIMIT_BYTES]
    assert '1 messages are damaged zstd frames' in ' '.join(recording.problems)


def test_a_file_that_would_fill_the_disk_is_not_unpacked(tmp_path, monkeypatch):
    bag = write_colored(tmp_path / 'bag', (0,), Layout(compression='file'))
    monkeypatch.setattr(compression, 'LEFT_FREE_BYTES', 2**60)
    with pytest.raises(BagError, match='can not be decompressed into .* would be left there'):
        Recording(bag)


def test_a_record_that_is_as_large_as_the_disk_is_left_out(tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', chunk([1]), is_finished=False)
    size = path.stat().st_size
    with path.open('ab') as file:
        file.write(struct.pack('<BQ', CHUNK, 20 * 2**30))
    os.truncate(path, size + 20 * 2**30)
    recording = Recording(path)

    assert len(list(recording.messages({'/topic'}))) == 1
    assert 'expected at most 536870912; left out' in ' '.join(recording.problems)


@pytest.mark.parametrize(
    'change',
    [
        'DROP TABLE messages; CREATE VIEW messages AS WITH RECURSIVE more(id, topic_id, '
        "timestamp, data) AS (SELECT 1, 1, 1, x'' UNION ALL SELECT id + 1, 1, 1, x'' FROM more) "
        'SELECT * FROM more',
        'ALTER TABLE messages RENAME TO old; CREATE TABLE messages (id, topic_id, timestamp, '
        'data GENERATED ALWAYS AS (zeroblob(900000000))); '
        'INSERT INTO messages SELECT id, topic_id, timestamp FROM old',
        'ALTER TABLE messages RENAME TO old; CREATE TABLE messages (id, topic_id, timestamp, '
        'data AS (zeroblob(9000))); '
        'INSERT INTO messages SELECT id, topic_id, timestamp FROM old',
    ],
    ids=['view', 'column', 'column in short'],
)
def test_tables_that_are_programs_are_not_run(change, tmp_path):
    bag = write_colored(tmp_path / 'bag', (0,), Layout(storage='sqlite3'))
    (path,) = bag.glob('*.db3')
    connection = sqlite3.connect(path)
    connection.executescript(change)
    connection.close()

    with pytest.raises(BagError, match='messages is computed; expected tables'):
        Recording(bag)


def test_a_time_that_is_none_ends_what_is_read_in_words(tmp_path):
    bag = write_colored(tmp_path / 'bag', (0,), Layout(storage='sqlite3'))
    (path,) = bag.glob('*.db3')
    connection = sqlite3.connect(path)
    connection.executescript('UPDATE messages SET timestamp = 9e999')
    connection.close()
    recording = Recording(bag)

    assert list(recording.messages(recording.topics)) == []
    assert 'damaged after 0 messages' in ' '.join(recording.problems)


def test_a_few_lines_of_metadata_that_mean_many_values_are_refused(tmp_path):
    bag = write_colored(tmp_path / 'bag', (0,))
    lines = ['a0: &a0 [x, x, x, x, x, x, x, x, x, x]']
    for level in range(1, 12):
        lines.append(f'a{level}: &a{level} [{", ".join([f"*a{level - 1}"] * 10)}]')
    files = 'rosbag2_bagfile_information: {relative_file_paths: *a11}'
    (bag / 'metadata.yaml').write_text('\n'.join([*lines, files]))

    with pytest.raises(BagError, match='more than 20000 values'):
        Recording(bag)


@pytest.mark.parametrize('name', ['../other/other_0.mcap', 'absolute'])
def test_metadata_do_not_lead_out_of_the_recording(name, tmp_path):
    write_colored(tmp_path / 'other', (0,))
    (place,) = (tmp_path / 'other').glob('*.mcap')
    place.rename(tmp_path / 'other/other_0.mcap')
    bag = write_colored(tmp_path / 'bag', (0,))
    (own,) = bag.glob('*.mcap')
    name = str(tmp_path / 'other/other_0.mcap') if name == 'absolute' else name
    metadata = bag / 'metadata.yaml'
    metadata.write_text(metadata.read_text().replace(f'- {own.name}', f'- {name}'))

    with pytest.raises(BagError, match='none of the 1 files that it names is there'):
        Recording(bag)


@pytest.mark.parametrize('field', ['string[999999999] a', 'Empty[999999999] a'])
def test_a_definition_that_would_be_written_out_a_billion_times_is_not_taken(field, tmp_path):
    path = write_mcap(
        tmp_path / 'a.mcap', chunk([1]), definition=f'{field}\n', type_name='unknown_msgs/msg/A'
    )
    (topic,) = Recording(path).topics.values()
    with pytest.raises(BagError, match='no definition of unknown_msgs/msg/A that can be read'):
        Decoder(topic)


@pytest.mark.parametrize('read', [read_labels, read_class_map])
def test_a_pipe_names_no_classes(read, tmp_path):
    os.mkfifo(tmp_path / 'labels')
    with pytest.raises(BagError, match='is a pipe; expected a regular file'):
        read(tmp_path / 'labels')


def test_the_records_of_these_tests_are_read_where_they_are_good(tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', record(0x7F, bytes(9)), message(1), chunk([2, 3]))
    assert len(list(Recording(path).messages({'/topic'}))) == 3
