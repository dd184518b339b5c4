"""Recordings that are damaged, cut, compressed or out of order, made byte by byte."""

import contextlib
from pathlib import Path
import shutil
import sqlite3
import subprocess
import sys
import tempfile

from hypothesis import given
from hypothesis import strategies as st
import pytest

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.bag_writing import BagWriter, Stamp
from ssd_detector_ros.bag_evaluation.making.making import Layout
from ssd_detector_ros.bag_evaluation.reading.compression import decompress_chunk
from ssd_detector_ros.bag_evaluation.reading.decoding import Decoder, read_header
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from tests.bags.mcap_bytes import chunk, message, PACKERS, write_mcap
from tests.bags.scenery import write_colored


def times_of(path):
    return [message.time_ns for message in Recording(path).messages({'/topic'})]


@pytest.mark.parametrize('compression', ['', 'zstd', 'lz4'])
def test_chunks_that_overlap_are_read_in_the_order_of_time(compression, tmp_path):
    parts = [chunk(times, compression) for times in ([5, 1, 9], [2, 12], [3, 4])]

    path = write_mcap(tmp_path / 'a.mcap', *parts)

    assert times_of(path) == [1, 2, 3, 4, 5, 9, 12]


def test_messages_without_chunks_are_read_too(tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', message(3), message(1), chunk([2]))

    assert times_of(path) == [1, 2, 3]


@pytest.mark.parametrize('compression', ['', 'zstd', 'lz4'])
def test_of_a_chunk_that_was_cut_the_whole_messages_are_read(compression, tmp_path):
    path = write_mcap(tmp_path / 'a.mcap', chunk([1, 2]), chunk([3] * 9), is_finished=False)
    path.write_bytes(path.read_bytes()[:-10])

    recording = Recording(path)

    assert [message.time_ns for message in recording.messages({'/topic'})] == [1, 2, *[3] * 8]
    assert 'was cut off; 10 whole messages' in recording.problems[0]


def test_of_a_compressed_chunk_that_was_cut_the_beginning_is_given():
    content = bytes(range(256)) * 4000
    for name in ('zstd', 'lz4'):
        packed = PACKERS[name](content)
        given = decompress_chunk(packed[: len(packed) // 2], name)
        assert content.startswith(given)
    with pytest.raises(ValueError, match="compression 'rar'; expected zstd, lz4 or none"):
        decompress_chunk(b'', 'rar')


def test_a_chunk_that_is_damaged_is_told_and_the_others_are_read(tmp_path):
    damaged = bytearray(chunk([2], 'zstd'))
    damaged[-20:] = bytes(20)
    damaged[damaged.index(b'\x28\xb5\x2f\xfd')] = 0

    recording = Recording(write_mcap(tmp_path / 'a.mcap', chunk([1]), bytes(damaged), chunk([3])))

    assert [message.time_ns for message in recording.messages({'/topic'})] == [1, 3]
    assert 'a chunk is damaged' in recording.problems[0]


def test_what_a_killed_recorder_left_in_the_log_of_sqlite_is_read(tmp_path):
    bag = write_colored(tmp_path / 'bag', [0], Layout(storage='sqlite3'))
    (file,) = bag.glob('*.db3')
    connection = sqlite3.connect(file)
    connection.execute('PRAGMA journal_mode=WAL')
    connection.execute('PRAGMA wal_autocheckpoint=0')
    connection.execute(
        'INSERT INTO messages (topic_id, timestamp, data) '
        'SELECT topic_id, timestamp + 1, data FROM messages'
    )
    connection.commit()
    (tmp_path / 'killed').mkdir()
    for path in bag.glob(f'{file.name}*'):
        shutil.copyfile(path, tmp_path / 'killed' / path.name)
    connection.close()

    assert sum(Recording(tmp_path / 'killed').counts.values()) == 2 * 3


@pytest.fixture(scope='module')
def small_files(tmp_path_factory):
    folder = tmp_path_factory.mktemp('small')
    for storage in ('mcap', 'sqlite3'):
        write_colored(folder / storage, [0], Layout(storage=storage, transport='png'))
    chunks = [chunk([1, 2], compression) for compression in PACKERS]
    write_mcap(folder / 'chunks.mcap', *chunks)
    return {path.name: path for path in (*folder.rglob('*.mcap'), *folder.rglob('*.db3'))}


shares = st.floats(0, 1, exclude_max=True)


@given(
    name=st.sampled_from(['chunks.mcap', 'mcap.mcap', 'sqlite3.db3']),
    changes=st.lists(st.tuples(shares, st.integers(0, 255)), max_size=6),
    kept=st.one_of(st.just(1.0), shares),
)
def test_any_damage_is_a_refusal_or_a_problem_and_never_another_error(
    name, changes, kept, small_files
):
    content = bytearray(small_files[name].read_bytes())
    for place, value in changes:
        content[int(place * len(content))] = value
    end = round(kept * len(content))

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, name)
        path.write_bytes(content[:end])
        try:
            recording = Recording(path)
            for topic in recording.topics.values():
                for stored in recording.messages({topic.name}):
                    read_header(stored.data)
                with contextlib.suppress(BagError):
                    decoder = Decoder(topic)
                    for stored in recording.messages({topic.name}):
                        decoder.read(stored)
        except BagError as error:
            assert error.findings


def test_a_damaged_zstd_message_is_left_out_and_told(tmp_path):
    with BagWriter(tmp_path / 'bag') as writer:
        for index, data in enumerate((b'\0\1\0\0', b'\x28\xb5\x2f\xfd damaged')):
            writer.write('/topic', 'std_msgs/msg/Empty', Stamp(index + 1).time_ns, data)

    recording = Recording(tmp_path / 'bag')

    assert [message.time_ns for message in recording.messages({'/topic'})] == [1]
    assert '1 messages are damaged zstd frames' in recording.problems[0]


def test_everything_but_replay_and_live_check_works_without_ros(tmp_path):
    bag = write_colored(tmp_path / 'bag', [0], Layout(), boxes=False)
    script = (
        'import sys\n'
        'for name in ("rclpy", "sensor_msgs", "std_msgs", "vision_msgs", "ssd_msgs"):\n'
        '    sys.modules[name] = None\n'
        'from ssd_detector_ros import check_detector, compare_bags, extract, make_bag\n'
        'from ssd_detector_ros.evaluate_bag import main\n'
        'sys.exit(main(sys.argv[1:]))\n'
    )
    command = [sys.executable, '-c', script, str(bag), '--max_drop_rate', '0']

    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=Path.cwd())

    assert done.returncode == 0, done.stderr
    assert 'bag: 1 frames, 1 answered' in done.stdout
