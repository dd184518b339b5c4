"""Images of another user's process, which shared memory does not bring: the cause is named."""

import os
import shutil

import pytest

from ssd_detector_ros.cameras import shared_memory
from ssd_detector_ros.cameras.camera_names import CameraName
from ssd_detector_ros.cameras.offers import Offer
from ssd_detector_ros.health.camera_watch import judge_silence
from ssd_detector_ros.health.diagnostics import WARN
from tests.ros.made_images import plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import write_tiny_bundle

IMAGE = 'sensor_msgs/msg/Image'
OTHER_USER = 12345


def test_the_users_of_shared_memory_are_those_of_fast_dds_but_this_one(tmp_path, monkeypatch):
    for name in ('fastrtps_12', 'fastdds_34', 'sem.other'):
        (tmp_path / name).touch()
    monkeypatch.setattr(shared_memory, 'FOLDER', tmp_path)
    assert shared_memory.find_other_owners() == set()
    owner = os.geteuid()
    monkeypatch.setattr(os, 'geteuid', lambda: owner + 1)
    assert shared_memory.find_other_owners() == {owner}
    monkeypatch.setattr(shared_memory, 'FOLDER', tmp_path / 'none')
    assert shared_memory.find_other_owners() == set()


def test_silence_of_a_camera_of_another_user_is_told_with_both_ways_out():
    name = CameraName(given='image', topic='/image', prefix='~', other_given='o', other_topic='/o')
    offer = Offer('/camera', IMAGE, 'RELIABLE, VOLATILE', misfit='')
    verdict = judge_silence(name, [offer], other_users={OTHER_USER})
    assert verdict.level == WARN
    for words in ('12345', 'docker run --user', 'FASTDDS_BUILTIN_TRANSPORTS=UDPv4'):
        assert words in verdict.message
    assert '/dev/shm' not in judge_silence(name, [offer]).message


@pytest.mark.slow
def test_a_node_of_another_user_than_the_camera_says_why_no_image_comes(tmp_path):
    setpriv = shutil.which('setpriv')
    if setpriv is None or os.geteuid() != 0:
        pytest.skip('another user needs root and setpriv (apt-get install util-linux)')
    bundle = write_tiny_bundle(tmp_path / 'tiny')
    for folder in (tmp_path, *tmp_path.parents[:2]):
        folder.chmod(0o755)
    user = [setpriv, f'--reuid={OTHER_USER}', f'--regid={OTHER_USER}', '--clear-groups']
    (tmp_path / 'home').mkdir()
    os.chown(tmp_path / 'home', OTHER_USER, OTHER_USER)
    environment = os.environ | {
        'HOME': str(tmp_path / 'home'),
        'ROS_LOG_DIR': str(tmp_path / 'home'),
    }
    command = [*user, *detector_command('test_user', bundle=bundle)]
    log = tmp_path / 'log'
    with running(command, log, environment=environment), peer('test_user') as one:
        one.wait_for(one.publisher().get_subscription_count, 'the node to subscribe')
        sent = [one.send(plain_image())]
        one.wait_for(
            lambda: 'docker run --user' in log.read_text() or sent.append(one.send(plain_image())),
            'the cause in the log',
        )
        assert not any(one.num_answers_to(header) for header in sent)
