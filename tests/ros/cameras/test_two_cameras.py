"""A node of two cameras, with names that are alike and swapped by remaps: nothing is mixed up."""

from itertools import cycle

from builtin_interfaces.msg import Time
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from ssd_msgs.srv import Snapshot
from tests.ros.made_images import plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import write_tiny_bundle

NAMESPACE = 'test_two'
# Each is what the other one is remapped to.
CAMERAS = ('head/left', 'head_left')
RED, GREEN = {'red': 255}, {'green': 255}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('two')


@pytest.fixture(scope='module')
def detector(folder):
    """Start the node and a peer with a camera on each topic, once for the module."""
    bundle = write_tiny_bundle(folder / 'tiny')
    # As a robot's launch file gives parameters to all of its nodes.
    common = {'robot_name': 'r1', 'max_rate_hz': 0}
    command = detector_command(NAMESPACE, bundle=bundle, image_topics=[*CAMERAS], **common)
    for given, other in (CAMERAS, CAMERAS[::-1]):
        command += ['-r', f'{given}:={other}']
    with running(command, folder / 'log'), peer(NAMESPACE, is_reader=False) as one:
        for camera in CAMERAS:
            one.hear(f'{camera}/detections')
        for camera in CAMERAS:
            one.establish(plain_image(), topic=camera)
        yield one


def labels(message):
    return [detection.results[0].hypothesis.class_id for detection in message.detections]


def test_swapped_cameras_are_answered_and_named_as_they_are_heard(detector):
    answers = {
        camera: detector.listen(Detection2DArray, f'{camera}/detections', QoSProfile(depth=10))
        for camera in CAMERAS
    }

    def arrived():
        detector.send(plain_image(**RED), topic=CAMERAS[0])
        detector.send(plain_image(**GREEN), topic=CAMERAS[1])
        return all(any(map(labels, messages)) for messages in answers.values())

    detector.wait_for(arrived, 'boxes of both cameras')
    found = {
        camera: {tuple(labels(message)) for message in answers[camera]} - {()}
        for camera in CAMERAS
    }
    # Outputs are called as was given, images come from where that is remapped to.
    assert found == {CAMERAS[0]: {('green',)}, CAMERAS[1]: {('red',)}}
    heard = [f'/{NAMESPACE}/{camera}' for camera in CAMERAS[::-1]]
    assert list(detector.statistics().cameras) == heard


def test_parameters_of_other_nodes_are_told_and_hold_nothing_up(detector, folder):
    assert 'without effect: robot_name' in (folder / 'log').read_text()
    for value in (100, 0):
        assert detector.set_parameter('max_rate_hz', value).successful
        assert detector.get_parameter('max_rate_hz').double_value == value


def bad_frames(encodings):
    for encoding in cycle(encodings):
        message = plain_image()
        message.encoding = encoding
        yield message


def test_each_camera_gets_its_line_in_the_log_and_none_of_them_is_long(detector, folder):
    frames = {CAMERAS[0]: bad_frames(['x' * 10**5]), CAMERAS[1]: bad_frames(['8UC3', 'nv12'])}

    def lines():
        return [line for line in (folder / 'log').read_text().splitlines() if 'dropped' in line]

    def all_told():
        for camera, messages in frames.items():
            detector.send(next(messages), topic=camera)
        told = ('left: frame dropped', "'xxx", "'8UC3'", 'nv12 with step')
        return all(any(words in line for line in lines()) for words in told)

    detector.wait_for(all_told, 'a line on each fault')
    assert max(map(len, lines())) < 1000
    # A line of each fault in five seconds, however many frames.
    assert len(lines()) <= 6


def test_a_mosaic_with_odd_sides_is_answered(detector):
    mosaic = np.full((5, 7), 255, np.uint8)
    message = Image(encoding='bayer_rggb8', height=5, width=7, step=7, data=mosaic.tobytes())
    header = detector.send(message, topic=CAMERAS[0])
    assert set(labels(detector.answer_to(header))) == {'red', 'green', 'blue'}


def ask_with_stamp(one, camera, stamp, **color):
    """Let a camera send an image under a stamp of its own, and wait for the answer."""
    message = plain_image(**color)
    message.header = Header(stamp=stamp, frame_id=f'{camera} {color}')
    one.publisher(CAMERAS[1 - CAMERAS.index(camera)]).publish(message)
    one.answer_to(message.header)


def snapshot(one, folder):
    answer = one.call('snapshot', Snapshot.Request(folder=str(folder)))
    assert answer.success, answer.message
    return answer


def test_a_snapshot_is_of_the_frame_answered_last_whatever_the_stamps(detector, folder):
    ask_with_stamp(detector, CAMERAS[0], Time(sec=2_000_000_000), **RED)
    ask_with_stamp(detector, CAMERAS[1], Time(sec=120), **GREEN)
    assert 'head-left_120000000000.jpg' in snapshot(detector, folder / 'newest').image_path


def test_equal_stamps_of_two_cameras_or_of_one_are_snapshots_of_their_own(detector, folder):
    stamp, target = Time(sec=77), folder / 'equal'
    for camera, color in zip((*CAMERAS, CAMERAS[0]), (RED, GREEN, GREEN), strict=True):
        ask_with_stamp(detector, camera, stamp, **color)
        snapshot(detector, target)
    listed = (target / 'ImageSets/Main/snapshots.txt').read_text().split()
    first, second = (f'{NAMESPACE}-{name}_77000000000' for name in ('head_left', 'head-left'))
    assert listed == [first, second, f'{first}_2']
    assert {path.stem for path in (target / 'Annotations').iterdir()} == set(listed)
