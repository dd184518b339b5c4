"""Definitions of messages, for where neither the recording nor the system has them."""

from functools import cache
from typing import Any

from rosbags.typesys import get_types_from_msg, get_typestore, Stores
from rosbags.typesys.store import Typestore

IMAGE = 'sensor_msgs/msg/Image'
COMPRESSED_IMAGE = 'sensor_msgs/msg/CompressedImage'
DETECTIONS = 'vision_msgs/msg/Detection2DArray'
LABEL_INFO = 'vision_msgs/msg/LabelInfo'
ANNOTATIONS = 'foxglove_msgs/msg/ImageAnnotations'

# vision_msgs 4, of Humble and later; foxglove_msgs as of 2025.
_TEXTS = {
    'vision_msgs/msg/Point2D': 'float64 x\nfloat64 y\n',
    'vision_msgs/msg/Pose2D': 'vision_msgs/Point2D position\nfloat64 theta\n',
    'vision_msgs/msg/BoundingBox2D': 'vision_msgs/Pose2D center\nfloat64 size_x\nfloat64 size_y\n',
    'vision_msgs/msg/ObjectHypothesis': 'string class_id\nfloat64 score\n',
    'vision_msgs/msg/ObjectHypothesisWithPose': (
        'ObjectHypothesis hypothesis\ngeometry_msgs/PoseWithCovariance pose\n'
    ),
    'vision_msgs/msg/Detection2D': (
        'std_msgs/Header header\nObjectHypothesisWithPose[] results\nBoundingBox2D bbox\n'
        'string id\n'
    ),
    DETECTIONS: 'std_msgs/Header header\nDetection2D[] detections\n',
    'vision_msgs/msg/VisionClass': 'uint16 class_id\nstring class_name\n',
    LABEL_INFO: (
        'std_msgs/Header header\nvision_msgs/VisionClass[] class_map\nfloat32 threshold\n'
    ),
    'foxglove_msgs/msg/Color': 'float64 r\nfloat64 g\nfloat64 b\nfloat64 a\n',
    'foxglove_msgs/msg/Point2': 'float64 x\nfloat64 y\n',
    'foxglove_msgs/msg/CircleAnnotation': (
        'builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\nfloat64 diameter\n'
        'float64 thickness\nfoxglove_msgs/Color fill_color\nfoxglove_msgs/Color outline_color\n'
    ),
    'foxglove_msgs/msg/PointsAnnotation': (
        'builtin_interfaces/Time timestamp\nuint8 UNKNOWN=0\nuint8 POINTS=1\nuint8 LINE_LOOP=2\n'
        'uint8 LINE_STRIP=3\nuint8 LINE_LIST=4\nuint8 type\nfoxglove_msgs/Point2[] points\n'
        'foxglove_msgs/Color outline_color\nfoxglove_msgs/Color[] outline_colors\n'
        'foxglove_msgs/Color fill_color\nfloat64 thickness\n'
    ),
    'foxglove_msgs/msg/TextAnnotation': (
        'builtin_interfaces/Time timestamp\nfoxglove_msgs/Point2 position\nstring text\n'
        'float64 font_size\nfoxglove_msgs/Color text_color\n'
        'foxglove_msgs/Color background_color\n'
    ),
    ANNOTATIONS: (
        'foxglove_msgs/CircleAnnotation[] circles\nfoxglove_msgs/PointsAnnotation[] points\n'
        'foxglove_msgs/TextAnnotation[] texts\n'
    ),
}


@cache
def make_typestore() -> Typestore:
    """
    Make a store that knows everything that this package reads and writes; nobody adds to it.

    :return: the types of Jazzy, vision_msgs and foxglove_msgs
    """
    store = get_typestore(Stores.ROS2_JAZZY)
    types: dict[str, Any] = {}
    for name, text in _TEXTS.items():
        types |= get_types_from_msg(text, name)
    store.register(types)
    return store
