"""Recordings that real recorders wrote: counts as their README gives them, or a reason."""

from pathlib import Path
import shutil

import pytest

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.reading.decoding import Decoder, read_header
from ssd_detector_ros.bag_evaluation.reading.recording import Recording

BAGS = Path(__file__).parents[3] / 'shared/data/bags'
# As the README beside them counts.
COUNTS = {
    'all_types_mcap': 188,
    'all_types_sqlite3': 188,
    'cdr_test_mcap': 7,
    'cdr_test_sqlite3': 7,
    'cdr_test_v1': 7,
    'empty_bag': 0,
    'event_camera': 100,
    'images.bag': 3,
    'message_compression': 1127,
    'no_metadata_mcap': 3177,
    'no_metadata_sqlite3': 3177,
    'rewriter_a_mcap': 150,
    'rewriter_a_sqlite3': 150,
    'service_events_mcap': 10,
    'service_events_sqlite3': 10,
    'soccer_goal': 2,
    'soccer_goal_missing_files': 2,
    'soccer_goal_truncated': 1,
    'talker_mcap': 20,
    'talker_sqlite3': 20,
    'test_bag_for_seek_mcap': 5,
    'test_bag_for_seek_sqlite3': 5,
    'velodyne_vlp32': 5,
    'wbag_mcap': 6074,
    'wbag_sqlite3': 6074,
    'wrong_rmw_mcap': 7,
    'wrong_rmw_sqlite3': 7,
}


def open_given(name):
    if not (BAGS / name).is_dir():
        pytest.skip(f'{BAGS / name} is not there')
    return Recording(BAGS / name)


def read_all(recording):
    return list(recording.messages(set(recording.topics)))


@pytest.mark.parametrize('name', COUNTS)
def test_a_recording_has_as_many_messages_as_its_readme_says_in_the_order_of_time(name):
    recording = open_given(name)
    messages = read_all(recording)

    assert len(messages) == sum(recording.counts.values()) == COUNTS[name]
    times = [message.time_ns for message in messages]
    assert times == sorted(times)


def test_every_given_recording_is_counted_here():
    if not BAGS.is_dir():
        pytest.skip(f'{BAGS} is not there')
    assert {path.name for path in BAGS.iterdir() if path.is_dir()} == set(COUNTS)


@pytest.mark.parametrize(
    'name', ['soccer_goal', 'soccer_goal_truncated', 'message_compression', 'images.bag']
)
def test_messages_of_zstd_frames_are_decompressed_without_being_told(name, tmp_path):
    recording = open_given(name)
    for topic in recording.topics.values():
        decoder = Decoder(topic)
        messages = list(recording.messages({topic.name}))
        assert all(decoder.read(message) is not None for message in messages)


def test_missing_files_and_messages_are_told_with_their_number():
    problems = ' '.join(open_given('soccer_goal_missing_files').problems)

    assert '12 of 13 files that metadata.yaml names are missing' in problems
    assert 'promises 251 messages, the files hold 2' in problems


def test_a_recording_that_was_cut_off_says_what_is_read_and_what_is_missing():
    (problem,) = open_given('soccer_goal_truncated').problems

    assert 'cut off; 1 whole messages are read' in problem


@pytest.mark.parametrize('name', ['wrong_rmw_mcap', 'wrong_rmw_sqlite3'])
def test_a_serialization_that_is_unknown_is_refused_in_words(name):
    for topic in open_given(name).topics.values():
        with pytest.raises(BagError, match='serialization wrong_format; expected cdr'):
            Decoder(topic)


def test_a_type_that_nobody_defines_is_refused_in_words():
    (topic,) = open_given('velodyne_vlp32').topics.values()

    with pytest.raises(BagError, match='no definition of velodyne_msgs/msg/VelodyneScan'):
        Decoder(topic)


@pytest.mark.parametrize(
    ('name', 'topic'),
    [
        ('event_camera', '/event_camera/events'),  # An IDL definition.
        ('test_bag_for_seek_mcap', 'topic1'),  # A type name without /msg/.
        ('talker_sqlite3', '/rosout'),  # A definition of which only a line was stored.
    ],
)
def test_odd_definitions_are_read(name, topic):
    recording = open_given(name)
    decoder = Decoder(recording.topics[topic])

    assert all(decoder.read(message) is not None for message in recording.messages({topic}))


def test_the_header_of_an_image_is_read_without_its_pixels():
    recording = open_given('images.bag')
    stamps_ns = [read_header(message.data)[0] for message in read_all(recording)]

    # The third says 2000000000 ns of 0 s.
    assert stamps_ns == sorted(stamps_ns) and stamps_ns[-1] == 2_000_000_000


@pytest.mark.parametrize(
    ('make', 'expected'),
    [
        (lambda path: None, 'no such file or folder'),
        (lambda path: path.mkdir(), 'holds neither metadata.yaml nor'),
        (lambda path: path.write_bytes(b'#ROSBAG V2.0\n'), 'a ROS 1 bag; convert it first'),
        (lambda path: path.write_text('text'), r'expected a folder, \*.db3 or \*.mcap'),
    ],
)
def test_what_is_no_recording_is_refused_in_words(make, expected, tmp_path):
    make(tmp_path / 'bag')

    with pytest.raises(BagError, match=expected):
        Recording(tmp_path / 'bag')


@pytest.mark.parametrize(
    ('name', 'text', 'expected'),
    [
        ('a.mcap', 'no mcap', 'is no mcap file'),
        ('a.db3', 'no sqlite', 'can not be read as a recording'),
        ('metadata.yaml', 'a: [', 'can not be read as the metadata'),
        ('metadata.yaml', 'a: 1', 'can not be read as the metadata'),
    ],
)
def test_files_that_only_have_the_name_are_refused_in_words(name, text, expected, tmp_path):
    (tmp_path / name).write_text(text)

    with pytest.raises(BagError, match=expected):
        Recording(tmp_path)


def test_a_damaged_file_among_others_is_told_and_the_others_are_read(tmp_path):
    given = open_given('no_metadata_sqlite3')
    for path in given.path.iterdir():
        shutil.copyfile(path, tmp_path / path.name)
    (tmp_path / 'multiple_files_1.db3').write_text('damaged')

    recording = Recording(tmp_path)

    assert len(read_all(recording)) == 1324 + 529
    assert 'multiple_files_1.db3: can not be read as a recording' in recording.problems[0]
