"""What is kept of a camera, and for how long."""

import time

import pytest

from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.cameras.camera_names import CameraName
from ssd_detector_ros.timing.rate_limit import RateLimit


@pytest.fixture
def camera():
    return Camera(0, CameraName('i', '/i', 'o', '/o', '~'), None)


def test_a_pause_forgets_all_that_came_before(camera, monkeypatch):
    forgotten = []
    monkeypatch.setattr(type(camera.samples), 'forget', lambda _: forgotten.append('samples'))
    camera.note_received()
    camera.note_lost(3)
    camera.note_error('encoding: unknown')
    camera.note_answered('a frame')
    camera.forget_images()
    known = (camera.last_received_s, camera.num_lost, camera.last_error, camera.last_answered)
    assert known == (None, 0, None, None)
    assert forgotten == ['samples']


def test_the_last_image_and_the_last_fault_are_remembered_with_their_time(camera, monkeypatch):
    monkeypatch.setattr(time, 'monotonic', lambda: 7.0)
    camera.note_received()
    camera.note_error('encoding: unknown')
    assert (camera.last_received_s, camera.last_error) == (7.0, ('encoding: unknown', 7.0))


def test_losses_add_up(camera):
    camera.note_lost(2)
    camera.note_lost(3)
    assert camera.num_lost == 5


def test_each_fault_may_be_logged_every_five_seconds(camera):
    now_s = [0.0]
    for fault in ('encoding', 'size'):
        camera.log_limits[fault] = RateLimit(lambda: now_s[0])
    logged = []
    for now_s[0] in range(12):
        logged += [(now_s[0], fault) for fault in ('encoding', 'size') if camera.may_log(fault)]
    assert logged == [(s, fault) for s in (0, 5, 10) for fault in ('encoding', 'size')]
