"""check_detector at a live node: ours passes, one that is broken on purpose does not."""

from importlib.util import find_spec
import json
from threading import Thread

import pytest

if find_spec('rclpy') is None:
    pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`', allow_module_level=True)

import numpy as np
import rclpy
from rclpy.executors import ExternalShutdownException, SingleThreadedExecutor
from rclpy.qos import qos_profile_sensor_data
from sensor_msgs.msg import Image
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from ssd_detector_ros.bag_evaluation.live.node_process import NAMESPACE, NODE, running_node
from ssd_detector_ros.check_detector import main
from ssd_detector_ros.outputs.messages import to_image
from tests.tiny_bundle import write_tiny_bundle

TOPIC = f'{NODE}/detections'
IMAGE_TOPIC = f'{NAMESPACE}/image'
IMAGE_RGB = np.full((48, 64, 3), (255, 0, 0), np.uint8)


class Camera:
    """Publishes red images at 10 Hz, and, if asked to, answers of its own that are broken."""

    def __init__(self, *, is_broken: bool = False) -> None:
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node('camera', context=self._context)
        self._images = self._node.create_publisher(Image, IMAGE_TOPIC, 10)
        self._answers = None
        if is_broken:
            self._answers = self._node.create_publisher(
                Detection2DArray, TOPIC, qos_profile_sensor_data
            )
        self._node.create_timer(0.1, self._publish)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._thread = Thread(target=self._spin, daemon=True)

    def __enter__(self):
        self._thread.start()
        return self

    def __exit__(self, *_):
        self._context.try_shutdown()
        self._thread.join()
        self._executor.shutdown()
        self._node.destroy_node()

    def _publish(self) -> None:
        header = Header(stamp=self._node.get_clock().now().to_msg(), frame_id='camera')
        self._images.publish(to_image(IMAGE_RGB, header))
        if self._answers is not None:
            stamp = self._node.get_clock().now().to_msg()
            self._answers.publish(Detection2DArray(header=Header(stamp=stamp)))

    def _spin(self) -> None:
        try:
            self._executor.spin()
        except ExternalShutdownException:
            pass


def check(folder, *options):
    arguments = ['--detections', TOPIC, '--image_topic', IMAGE_TOPIC, '--seconds', '2']
    code = main([*arguments, '--output', str(folder), *options])
    lines = json.loads((folder / 'result.json').read_text())['lines']
    return code, {line['name']: line['is_kept'] for line in lines}


def test_our_node_keeps_every_line(tmp_path):
    bundle = write_tiny_bundle(tmp_path / 'tiny')

    # On a busy machine it may be late, and take the newest of several frames.
    with Camera(), running_node({'bundle': str(bundle), 'image_topic': IMAGE_TOPIC}):
        code, lines = check(tmp_path, '--max_age_ms', '20000', '--min_answered', '0.3')

    assert code == 0
    assert set(lines.values()) == {True}


def test_a_node_that_stamps_anew_and_best_effort_fails_these_lines(tmp_path):
    with Camera(is_broken=True):
        code, lines = check(tmp_path)

    assert code == 1
    assert lines['header'] is lines['qos'] is lines['label_info'] is False


def test_nobody_who_publishes_is_told_with_what_there_is(capsys, monkeypatch):
    monkeypatch.setattr('ssd_detector_ros.bag_evaluation.live.observe._FIND_S', 0.1)

    assert main(['--detections', '/nobody']) == 1
    assert 'looked for /nobody; published are: none' in capsys.readouterr().err
