"""Annotations for Foxglove: serialized with upstream's fields, by types made from its texts."""

from importlib.util import find_spec
import shlex
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from ssd_detector import Detections
from ssd_detector_ros.outputs import foxglove
from tests.patience import patience_s
from tests.ros.made_images import plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import write_tiny_bundle

# Fields as foxglove_msgs has them in ROS 2 (2025); a package of that name is in no registry here.
DEFINITIONS = {
    'Color': 'float64 r\nfloat64 g\nfloat64 b\nfloat64 a\n',
    'Point2': 'float64 x\nfloat64 y\n',
    'CircleAnnotation': 'builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\n',
    'PointsAnnotation': 'builtin_interfaces/Time timestamp\nuint8 UNKNOWN=0\nuint8 POINTS=1\n'
    'uint8 LINE_LOOP=2\nuint8 LINE_STRIP=3\nuint8 LINE_LIST=4\nuint8 type\n'
    'foxglove_msgs/Point2[] points\nfoxglove_msgs/Color outline_color\n'
    'foxglove_msgs/Color[] outline_colors\nfoxglove_msgs/Color fill_color\nfloat64 thickness\n',
    'TextAnnotation': 'builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\n'
    'string text\nfloat64 font_size\nfoxglove_msgs/Color text_color\n'
    'foxglove_msgs/Color background_color\n',
    'ImageAnnotations': 'foxglove_msgs/CircleAnnotation[] circles\n'
    'foxglove_msgs/PointsAnnotation[] points\nfoxglove_msgs/TextAnnotation[] texts\n',
}
NAME = 'foxglove_msgs/msg/{}'


@pytest.fixture(scope='module')
def store():
    store = get_typestore(Stores.ROS2_JAZZY)
    types = {}
    for name, text in DEFINITIONS.items():
        types |= get_types_from_msg(text, NAME.format(name))
    store.register(types)
    return store


def with_defaults(store, name):
    """Let a type of rosbags be made as rclpy's are: what is not given is empty."""
    color = store.types[NAME.format('Color')](r=0.0, g=0.0, b=0.0, a=0.0)
    defaults = {
        'PointsAnnotation': {'outline_colors': [], 'fill_color': color},
        'ImageAnnotations': {'circles': [], 'points': [], 'texts': []},
    }.get(name, {})
    message_type = store.types[NAME.format(name)]

    def make(**fields):
        return message_type(**(defaults | fields))

    make.LINE_LOOP = 2
    return make


def test_a_box_is_a_closed_line_with_a_text_at_the_stamp_of_the_image(store):
    types = SimpleNamespace(**{name: with_defaults(store, name) for name in DEFINITIONS})
    time = store.types['builtin_interfaces/msg/Time'](sec=12, nanosec=34)
    found = Detections(
        boxes_xyxy=np.array([[1, 2, 30, 40]], np.float32),
        scores=np.array([0.875], np.float32),
        class_ids=np.array([3]),
        labels=['cat'],
    )
    message = foxglove.to_annotations(found, SimpleNamespace(stamp=time), types)
    name = NAME.format('ImageAnnotations')
    again = store.deserialize_cdr(store.serialize_cdr(message, name), name)
    (line,), (text,) = again.points, again.texts
    assert (line.type, line.timestamp, text.timestamp) == (2, time, time)
    assert [(point.x, point.y) for point in line.points] == [(1, 2), (30, 2), (30, 40), (1, 40)]
    assert (text.text, text.position.x, text.position.y) == ('cat 0.88', 1.0, 2.0)


def test_without_the_package_there_is_no_topic():
    if find_spec('foxglove_msgs') is not None:
        pytest.skip('foxglove_msgs is installed')
    assert foxglove.messages is None


CMAKE = """\
cmake_minimum_required(VERSION 3.16)
project(foxglove_msgs)
find_package(ament_cmake REQUIRED)
find_package(builtin_interfaces REQUIRED)
find_package(rosidl_default_generators REQUIRED)
rosidl_generate_interfaces(foxglove_msgs {files} DEPENDENCIES builtin_interfaces)
ament_package()
"""
PACKAGE = """\
<package format="3">
  <name>foxglove_msgs</name><version>0.0.0</version>
  <description>Stands in for the package of that name.</description>
  <maintainer email="nobody@example.org">nobody</maintainer><license>MIT</license>
  <buildtool_depend>ament_cmake</buildtool_depend>
  <buildtool_depend>rosidl_default_generators</buildtool_depend>
  <depend>builtin_interfaces</depend>
  <member_of_group>rosidl_interface_packages</member_of_group>
  <export><build_type>ament_cmake</build_type></export>
</package>
"""


def build_messages(folder):
    """Build foxglove_msgs as a workspace of its own, on top of what is sourced."""
    package = folder / 'src' / 'foxglove_msgs'
    (package / 'msg').mkdir(parents=True)
    for name, text in DEFINITIONS.items():
        (package / 'msg' / f'{name}.msg').write_text(text)
    files = ' '.join(f'"msg/{name}.msg"' for name in DEFINITIONS)
    (package / 'CMakeLists.txt').write_text(CMAKE.format(files=files))
    (package / 'package.xml').write_text(PACKAGE)
    build = [sys.executable, shutil.which('colcon'), 'build']
    subprocess.run(build, cwd=folder, check=True, capture_output=True, timeout=patience_s(300))
    return folder / 'install' / 'local_setup.bash'


@pytest.mark.slow
def test_whoever_subscribes_hears_annotations_over_dds(tmp_path):
    if shutil.which('colcon') is None or shutil.which('ros2') is None:
        pytest.skip('colcon or ros2 is not installed')
    setup = build_messages(tmp_path)

    def sourced(words):
        return ['bash', '-c', f'source {setup} && exec {shlex.join(map(str, words))}']

    topic, heard = '/test_foxglove/ssd_detector/annotations', tmp_path / 'heard'
    node = sourced(detector_command('test_foxglove', bundle=write_tiny_bundle(tmp_path / 'tiny')))
    echo = sourced(['ros2', 'topic', 'echo', '--once', topic])
    with running(node, tmp_path / 'said'), peer('test_foxglove') as one:
        one.wait_until_active()
        with running(echo, heard):
            one.wait_for(
                lambda: [one.send(plain_image(red=255)), 'red 1.00' in heard.read_text()][1],
                'annotations',
            )
    assert 'type: 2' in heard.read_text()
