"""Annotations for Foxglove: serialized with upstream's fields, by types made from its texts."""

from importlib.util import find_spec
from types import SimpleNamespace

import numpy as np
import pytest

if find_spec('rclpy') is None:
    pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`', allow_module_level=True)

from rosbags.typesys import get_types_from_msg, get_typestore, Stores

from ssd_detector import Detections
from ssd_detector_ros import foxglove

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
    assert [(one.x, one.y) for one in line.points] == [(1, 2), (30, 2), (30, 40), (1, 40)]
    assert (text.text, text.position.x, text.position.y) == ('cat 0.88', 1.0, 2.0)


def test_without_the_package_there_is_no_topic():
    if find_spec('foxglove_msgs') is not None:
        pytest.skip('foxglove_msgs is installed')
    assert foxglove.messages is None
