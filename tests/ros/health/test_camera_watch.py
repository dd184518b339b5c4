"""What is said of a camera period after period, without one and without ROS."""

from types import SimpleNamespace

import numpy as np
import pytest
from rclpy.qos import QoSProfile

from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.cameras.camera_names import CameraName
from ssd_detector_ros.cameras.offers import Offer
from ssd_detector_ros.cameras.transports import COMPRESSED, RAW
from ssd_detector_ros.health import camera_watch
from ssd_detector_ros.health.diagnostics import ERROR, OK, WARN
from ssd_detector_ros.images.sample_scale import SampleScale


@pytest.fixture
def camera():
    return Camera(0, CameraName('i', '/i', 'o', '/o', '~'), None)


@pytest.fixture
def watching(camera, monkeypatch):
    """Watch the camera; offers and other users are what the test says."""
    known = SimpleNamespace(offers=[], users=set(), warnings=[], now_s=100.0)
    monkeypatch.setattr(camera_watch, 'find_offers', lambda node, given, qos: known.offers)
    monkeypatch.setattr(camera_watch, 'find_other_owners', lambda: known.users)
    monkeypatch.setattr(camera_watch.time, 'monotonic', lambda: known.now_s)
    logger = SimpleNamespace(warning=known.warnings.append)
    pipeline = SimpleNamespace(
        qos=[QoSProfile(depth=1)],
        ask_for=lambda camera, reliability: known.asked.append(reliability),
        has_chosen_reliable=lambda camera: False,
    )
    known.asked = []
    node = SimpleNamespace(get_logger=lambda: logger)
    known.watch = camera_watch.CameraWatch(node, camera, pipeline=pipeline)
    return known


def offer(*, is_reliable=True):
    return Offer('/camera', RAW.message_type, 'RELIABLE, VOLATILE', '', is_reliable=is_reliable)


def test_losses_are_those_of_the_period(watching, camera):
    camera.note_received()
    camera.note_lost(3)
    assert watching.watch.judge().message.startswith('3 images on /i were lost')
    assert watching.watch.judge().level == OK
    camera.note_lost(2)
    assert watching.watch.judge().message.startswith('2 images on /i were lost')


def test_losses_before_the_watch_began_are_not_told(camera, watching):
    camera.note_received()
    camera.note_lost(9)
    watch = camera_watch.CameraWatch(None, camera, pipeline=watching.watch._pipeline)
    assert watch.judge().level == OK


def test_images_are_asked_for_again_once_some_were_lost(watching, camera):
    watching.offers = [offer()]
    watching.watch.judge()
    assert watching.asked == []
    camera.note_lost(1)
    watching.watch.judge()
    assert [policy.name for policy in watching.asked] == ['RELIABLE']


def test_images_of_another_user_are_logged_once_and_said_each_time(watching):
    watching.offers, watching.users = [offer()], {12345}
    verdicts = [watching.watch.judge() for _ in range(3)]
    assert all('12345' in verdict.message for verdict in verdicts)
    assert watching.warnings == [verdicts[0].message]


@pytest.mark.parametrize(('silence_s', 'level'), [(2.0, OK), (2.1, ERROR)])
def test_a_camera_is_stale_after_two_seconds(watching, camera, silence_s, level):
    camera.note_received()
    watching.now_s += silence_s
    assert watching.watch.judge().level == level


@pytest.mark.parametrize(('passed_s', 'level'), [(4.9, ERROR), (5.0, OK)])
def test_an_error_is_shown_for_five_seconds(watching, camera, passed_s, level):
    camera.note_error('encoding: unknown')
    watching.now_s += passed_s
    camera.note_received()
    assert watching.watch.judge().level == level


@pytest.mark.parametrize(
    ('transport', 'others', 'level', 'words'),
    [
        (RAW, [], WARN, 'nobody publishes /i; start the camera'),
        (RAW, ['sensor_msgs/msg/CompressedImage'], ERROR, 'set image_transport to compressed'),
        (COMPRESSED, ['sensor_msgs/msg/Image'], ERROR, 'set image_transport to raw'),
        (COMPRESSED, ['std_msgs/msg/String'], WARN, 'nobody publishes /i; start the camera'),
    ],
)
def test_images_that_come_by_the_other_transport_are_told(transport, others, level, words):
    name = CameraName('i', '/i', 'o', '/o', '~', transport)
    offers = [Offer('/camera', message_type, '', '') for message_type in others]
    verdict = camera_watch.judge_silence(name, [], others=offers)
    assert (verdict.level, words in verdict.message) == (level, True)


def test_a_publisher_whose_qos_does_not_fit_is_named_with_what_it_offers():
    name = CameraName('i', '/i', 'o', '/o', '~')
    offers = [
        Offer('/fits', RAW.message_type, 'RELIABLE, VOLATILE', ''),
        Offer('/camera', RAW.message_type, 'BEST_EFFORT, VOLATILE', 'ERROR: best effort'),
    ]
    verdict = camera_watch.judge_silence(name, offers)
    assert verdict.level == ERROR
    assert verdict.message == (
        'QoS incompatible: /camera offers BEST_EFFORT, VOLATILE on /i (ERROR: best effort); set '
        'qos_overrides./i.subscription.reliability to best_effort and .durability to volatile'
    )
    assert verdict.values['publishers'].count(RAW.message_type) == 2


def test_a_wrong_number_of_bits_is_told_while_images_arrive(watching, camera):
    camera.samples = SampleScale(12)
    camera.samples.to_8_bits(np.full((2, 2), 5000, np.uint16))
    camera.note_received()
    verdict = watching.watch.judge()
    assert verdict.level == WARN
    assert verdict.message.startswith(
        'images arrive on /i, but a sample of 5000 is above the 4095'
    )


@pytest.mark.parametrize(
    ('message_type', 'advice'),
    [
        ('sensor_msgs/msg/CompressedImage', 'set image_transport to compressed'),
        ('std_msgs/msg/String', 'choose the topic of the images'),
    ],
)
def test_a_topic_of_another_type_is_told_with_what_helps(message_type, advice):
    name = CameraName('i', '/i', 'o', '/o', '~')
    verdict = camera_watch.judge_silence(name, [Offer('/camera', message_type, '', '')])
    assert (verdict.level, advice in verdict.message) == (ERROR, True)
