"""/diagnostics: each state is told with what to do about it."""

import os
import sys

from lifecycle_msgs.msg import Transition
import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy
from sensor_msgs.msg import CompressedImage, Image

from ssd_detector_ros.health.diagnostics import ERROR, OK, WARN
from tests.ros.made_images import broken
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.standing_in import stand_in_environment, STAND_INS

BEST_EFFORT = QoSProfile(depth=5, reliability=ReliabilityPolicy.BEST_EFFORT)


def test_a_camera_is_followed_from_silence_to_images_to_staleness(bundle, tmp_path):
    command = detector_command('test_states', bundle=bundle)
    with running(command, tmp_path / 'log'), peer('test_states') as one:
        silent = one.diagnosis('images', lambda status: True)
        assert (silent.level, silent.name) == (
            WARN,
            'test_states/ssd_detector: images /test_states/image',
        )
        assert 'nobody publishes /test_states/image' in silent.message

        elsewhere = one.publisher('image/compressed', CompressedImage)
        compressed = one.diagnosis('images', lambda status: status.level == ERROR)
        assert 'set image_transport to compressed' in compressed.message
        assert '/test_states/image/compressed is published' in compressed.message
        one.drop_publisher('image/compressed')
        del elsewhere

        one.wait_until_active()
        assert one.diagnosis('images', lambda status: status.level == OK)
        one.send(broken(encoding='h264'))
        bad = one.diagnosis('images', lambda status: status.level == ERROR)
        assert "received 'h264'" in bad.message and 'rgb8' in bad.message

        stale = one.diagnosis('images', lambda status: 'stale' in status.message)
        assert stale.level == ERROR and 'ros2 topic hz' in stale.message


def test_a_qos_that_does_not_fit_is_told_with_the_parameter_that_helps(bundle, tmp_path):
    policy = 'qos_overrides./test_misfit/image.subscription.reliability'
    command = detector_command('test_misfit', bundle=bundle, **{policy: 'reliable'})
    log = tmp_path / 'log'
    with running(command, log), peer('test_misfit') as one:
        one.publisher('image', Image, BEST_EFFORT)
        misfit = one.diagnosis('images', lambda status: status.level == ERROR)
        assert 'QoS incompatible' in misfit.message and 'BEST_EFFORT' in misfit.message
        assert policy in misfit.message
        one.wait_for(lambda: f'Set {policy}' in log.read_text(), 'the same in the log')


def test_a_node_that_could_not_configure_says_what_was_wrong(bundle, tmp_path):
    command = detector_command('test_unfit', bundle='/no/such/bundle', autostart='false')
    with running(command, tmp_path / 'log'), peer('test_unfit') as one:
        idle = one.diagnosis('model', lambda status: status.level == WARN)
        assert 'no model is loaded' in idle.message
        assert not one.change_state(Transition.TRANSITION_CONFIGURE)
        failed = one.diagnosis('model', lambda status: status.level == ERROR)
        assert '/no/such/bundle: no such bundle folder' in failed.message


def test_an_engine_that_is_built_at_work_is_told_with_the_reason(bundle, tmp_path):
    paths = os.pathsep.join([str(STAND_INS), os.environ.get('PYTHONPATH', '')])
    environment = os.environ | stand_in_environment(tmp_path) | {'PYTHONPATH': paths}
    command = detector_command('test_engine', bundle=bundle)
    with (
        running(command, tmp_path / 'log', environment=environment),
        peer('test_engine') as one,
    ):
        status = one.diagnosis('model', lambda status: 'engine built' in status.message)
        assert status.level == OK and 'no engine was built yet' in status.message
        values = {pair.key: pair.value for pair in status.values}
        assert values['runs on'] == 'tensorrt 10.3.0, model_fp32.engine'


# A camera that has Fast DDS's own segment of shared memory: too small for its images.
LOSSY_CAMERA = """
import array, time
import rclpy
from sensor_msgs.msg import Image
rclpy.init(args=[])
node = rclpy.create_node('camera', namespace='test_lossy')
publisher = node.create_publisher(Image, 'image', 10)
pixels = array.array('B', bytes(640 * 480 * 3))
message = Image(encoding='rgb8', width=640, height=480, step=1920, data=pixels)
while rclpy.ok():
    publisher.publish(message)
    time.sleep(0.01)
"""


def test_lost_images_come_with_the_dds_profile_and_are_asked_for_again(bundle, tmp_path):
    if os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp') != 'rmw_fastrtps_cpp':
        pytest.skip('the middleware is not Fast DDS, whose losses these are')
    environment = {name: value for name, value in os.environ.items() if 'PROFILES' not in name}
    camera = running(
        [sys.executable, '-c', LOSSY_CAMERA], tmp_path / 'camera', environment=environment
    )
    command = detector_command('test_lossy', bundle=bundle)
    with running(command, tmp_path / 'log'), peer('test_lossy') as one, camera:
        status = one.diagnosis('images', lambda status: 'lost on the way' in status.message)
        assert status.level == WARN and 'fastdds_images.xml' in status.message
        one.diagnosis('images', lambda status: status.level == OK)
        (info,) = one.node.get_subscriptions_info_by_topic('/test_lossy/image')
        assert info.qos_profile.reliability == ReliabilityPolicy.RELIABLE
