"""Publishers: the overlay costs nothing while nobody looks."""

import time

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from ssd_detector import Detections
from ssd_detector_ros.outputs import publishers as outputs
from ssd_detector_ros.threads.polled_group import PolledGroup
from tests.ros.processes import patience_s


@pytest.fixture
def node():
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    node = LifecycleNode('test_outputs', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def test_nothing_is_drawn_while_nobody_subscribes_to_the_overlay(node, monkeypatch):
    drawn = []
    monkeypatch.setattr(outputs, 'draw_detections', lambda *images: drawn.append(images))
    image_rgb = np.zeros((2, 2, 3), np.uint8)
    publishers = outputs.CameraOutputs(node, '~', PolledGroup())
    publishers.publish_pictures(image_rgb, Detections.empty(), Header())
    assert drawn == []


class FakePublisher:
    def __init__(self, topic):
        self.topic, self.num_readers = topic, 0

    def get_subscription_count(self):
        return self.num_readers


@pytest.mark.parametrize('index', range(3), ids=['detections', 'candidates', 'overlay'])
def test_a_reader_of_any_topic_counts(monkeypatch, index):
    made = []

    def create(node, events, message_type, topic, qos):
        made.append(FakePublisher(topic))
        return made[-1]

    monkeypatch.setattr(outputs, '_create', create)
    publishers = outputs.CameraOutputs(None, '~', PolledGroup())
    assert not publishers.are_read()
    made[index].num_readers = 1
    assert publishers.are_read()
    assert publishers.candidates_are_read() == (made[index].topic == '~/candidates')


def test_destroy_takes_the_topics_away(node):
    def topics():
        found = node.get_publisher_names_and_types_by_node('test_outputs', '/')
        # Those of every node, such as /rosout, may be told of at any time.
        return {name for name, _ in found if name.startswith('/test_outputs/')}

    def wait_for(condition):
        """Wait for the graph, which is told of changes in its own time."""
        end_s = time.monotonic() + patience_s()
        while not condition() and time.monotonic() < end_s:
            rclpy.spin_once(node, executor=executor, timeout_sec=0.02)
        return condition()

    executor = SingleThreadedExecutor(context=node.context)
    assert wait_for(lambda: '/test_outputs/transition_event' in topics())
    before = topics()
    publishers = outputs.CameraOutputs(node, '~', PolledGroup())
    assert wait_for(lambda: '/test_outputs/detections' in topics() - before)
    publishers.destroy()
    assert wait_for(lambda: topics() == before)


def test_events_are_looked_at_shortly_after_they_were_let_in():
    now_s = [100.0]
    events = PolledGroup(lambda: now_s[0])
    seen = [events.can_execute(None)]
    events.open()
    for now_s[0] in (100.0, 100.04, 100.06):
        seen.append(events.can_execute(None))
    assert seen == [False, True, True, False]
