"""Which frame a snapshot is of."""

from types import SimpleNamespace

import numpy as np
import pytest

from ssd_detector import Detections
from ssd_detector_ros.outputs.snapshots import AnsweredFrame
from ssd_detector_ros.requests.services import find_frame, ServiceError


def camera(topic, answered_s=None, *, stamp_ns=0):
    frame = None
    if answered_s is not None:
        image_rgb = np.zeros((2, 2, 3), np.uint8)
        frame = AnsweredFrame(image_rgb, Detections.empty(), topic, stamp_ns, answered_s)
    return SimpleNamespace(name=SimpleNamespace(topic=topic), last_answered=frame)


def test_a_snapshot_of_any_camera_is_of_the_frame_answered_last_whatever_its_stamp():
    cameras = [camera('/a', 1.0, stamp_ns=99), camera('/b', 3.0, stamp_ns=1), camera('/c', 2.0)]
    assert find_frame(cameras, '').image_topic == '/b'
    assert find_frame(cameras[::-1], '').image_topic == '/b'


def test_a_snapshot_of_a_camera_is_of_its_frame():
    cameras = [camera('/a', 1.0), camera('/b', 3.0)]
    assert find_frame(cameras, '/a').image_topic == '/a'


@pytest.mark.parametrize(
    ('cameras', 'topic', 'words'),
    [
        ([], '', 'no frame was answered yet; cameras: none'),
        ([camera('/a')], '', 'no frame was answered yet; cameras: /a'),
        ([camera('/a', 1.0)], '/b', "no frame of '/b' was answered yet; cameras: /a"),
    ],
)
def test_without_a_frame_the_refusal_names_the_cameras(cameras, topic, words):
    with pytest.raises(ServiceError) as caught:
        find_frame(cameras, topic)
    assert str(caught.value) == words
