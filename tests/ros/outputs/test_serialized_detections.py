"""Detections, serialized at once: what rclpy makes of the message, or the message itself."""

import struct

from builtin_interfaces.msg import Time
from hypothesis import given
from hypothesis import strategies as st
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from ssd_detector import Detections
from ssd_detector_ros.outputs import serialized_detections
from ssd_detector_ros.outputs.messages import CLASS_ID_FORMATS, to_detection_array
from ssd_detector_ros.outputs.serialized_detections import serialize_detections, to_message
from tests import strategies

headers = st.builds(
    Header,
    stamp=st.builds(Time, sec=st.integers(-(2**31), 2**31 - 1), nanosec=st.integers(0, 2**32 - 1)),
    frame_id=strategies.texts,
)


@given(strategies.detections(), headers, st.sampled_from(CLASS_ID_FORMATS))
def test_bytes_say_what_the_message_says(found, header, class_id_format):
    expected = to_detection_array(found, header, class_id_format)
    serialized = serialize_detections(found, header, class_id_format)
    assert deserialize_message(serialized, Detection2DArray) == expected
    assert len(serialized) == len(serialize_message(expected))


def test_a_text_ends_at_its_first_nul_as_for_rclpy():
    header = Header(frame_id='camera\0front')
    assert serialize_detections(Detections.empty(), header, 'label') == serialize_detections(
        Detections.empty(), Header(frame_id='camera'), 'label'
    )


def test_here_bytes_are_published():
    assert isinstance(to_message(Detections.empty(), Header(), 'label'), bytes)


@pytest.mark.parametrize(
    ('name', 'other'),
    [
        ('_NO_POSE', b''),  # Other defaults.
        ('_COUNT', struct.Struct('<H')),  # Ends too early: no message.
        ('_RESULT', struct.Struct('<d344s5d')),  # A field less.
    ],
)
def test_messages_are_published_where_they_are_laid_out_otherwise(monkeypatch, name, other):
    monkeypatch.setattr(serialized_detections, name, other)
    serialized_detections.is_layout_known.cache_clear()
    try:
        message = to_message(Detections.empty(), Header(), 'label')
    finally:
        serialized_detections.is_layout_known.cache_clear()
    assert message == Detection2DArray()
