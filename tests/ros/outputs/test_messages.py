"""Messages: what stands where, in the types that ROS wants."""

import json
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from builtin_interfaces.msg import Time
from hypothesis import given
import numpy as np
import pytest
from rclpy.serialization import deserialize_message, serialize_message
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from ssd_detector import Detections
from ssd_detector_ros.outputs.messages import to_detection_array, to_label_info, to_statistics
from ssd_detector_ros.timing.statistics import MILESTONES, STAGES, Statistics
from tests import strategies

HEADER = Header(stamp=Time(sec=12, nanosec=34), frame_id='camera')
# Of vision_msgs 4.x as released (Humble to Rolling); comments and defaults do not enter a hash.
UPSTREAM_HASHES = {
    'Detection2DArray': '214274120007f4a683866481336b70310268cfa107aebe9d594a6acf75bda968',
    'LabelInfo': '3d37df4015cdf660cc851c51897f2acd957e1ca6205ba0a99aebffb9406b0783',
}


@given(strategies.detections())
def test_boxes_scores_and_labels_survive_serialization(found):
    message = to_detection_array(found, HEADER, 'label')
    message = deserialize_message(serialize_message(message), Detection2DArray)
    assert len(message.detections) == len(found)
    for index, detection in enumerate(message.detections):
        box = detection.bbox
        center, size_wh = box.center.position, (box.size_x, box.size_y)
        x1, y1, x2, y2 = found.boxes_xyxy[index].astype(float)
        assert (center.x, center.y) == ((x1 + x2) / 2, (y1 + y2) / 2)
        assert size_wh == (x2 - x1, y2 - y1)
        (result,) = detection.results
        assert result.hypothesis.score == found.scores[index]
        assert result.hypothesis.class_id == found.labels[index]


@given(strategies.detections())
def test_every_header_is_that_of_the_image(found):
    message = to_detection_array(found, HEADER, 'label')
    assert message.header == HEADER
    assert all(detection.header == HEADER for detection in message.detections)


def test_class_id_is_the_number_in_format_index():
    found = Detections(
        boxes_xyxy=np.zeros((1, 4), np.float32),
        scores=np.ones(1, np.float32),
        class_ids=np.array([15]),
        labels=['person'],
    )
    (one,) = to_detection_array(found, HEADER, 'index').detections
    assert one.results[0].hypothesis.class_id == '15'


def test_no_detections_are_an_empty_message():
    assert to_detection_array(Detections.empty(), HEADER, 'label').detections == []


def test_label_info_counts_from_1():
    message = to_label_info(('cat', 'dog'), np.float32(0.25), HEADER)
    assert [(entry.class_id, entry.class_name) for entry in message.class_map] == [
        (1, 'cat'),
        (2, 'dog'),
    ]
    assert message.threshold == 0.25


def test_statistics_list_stages_and_reasons_in_one_order():
    statistics = Statistics(1)
    statistics.count_drop('superseded')
    statistics.count_processed({stage: float(index) for index, stage in enumerate(STAGES)})
    message = to_statistics(statistics.end_period(), HEADER, ['/image'])
    assert list(message.stages) == list(STAGES)
    assert list(message.latency_p50_ms) == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0]
    assert (message.drop_reasons, list(message.drop_counts)) == (['superseded'], [1])


def test_statistics_name_each_percentile_rightly():
    statistics = Statistics(1)
    for number in range(101):
        times_ms = {stage: number * (2.0 + index) for index, stage in enumerate(STAGES)}
        ages_ms = {name: number * (3.0 + index) for index, name in enumerate(MILESTONES)}
        statistics.count_processed(times_ms, ages_ms=ages_ms)
    message = to_statistics(statistics.end_period(), HEADER, ['/image'])
    for percentile in (50, 95, 99):
        latencies_ms = getattr(message, f'latency_p{percentile}_ms')
        assert list(latencies_ms) == pytest.approx([percentile * (2 + i) for i in range(7)])
        ages_ms = getattr(message, f'age_p{percentile}_ms')
        assert list(ages_ms) == pytest.approx(
            [percentile * (3 + i) for i in range(len(MILESTONES))]
        )


def test_statistics_without_frames_hold_no_latencies():
    message = to_statistics(Statistics(1).end_period(), HEADER, ['/image'])
    assert (message.stages, len(message.latency_p99_ms)) == ([], 0)
    assert (message.milestones, len(message.age_p50_ms)) == ([], 0)
    assert (message.cameras, list(message.camera_received)) == (['/image'], [0])


@pytest.mark.parametrize('name', UPSTREAM_HASHES)
def test_vision_msgs_have_upstreams_type_hashes(name):
    description = Path(get_package_share_directory('vision_msgs'), 'msg', f'{name}.json')
    hashes = {
        entry['type_name']: entry['hash_string']
        for entry in json.loads(description.read_text())['type_hashes']
    }
    assert hashes[f'vision_msgs/msg/{name}'] == f'RIHS01_{UPSTREAM_HASHES[name]}'
