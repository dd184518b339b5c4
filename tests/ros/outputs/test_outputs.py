"""Publishers: the overlay costs nothing while nobody looks."""

import itertools

import numpy as np
import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.lifecycle import LifecycleNode
from std_msgs.msg import Header

from ssd_detector import Detections
from ssd_detector_ros.outputs import publishers as outputs
from ssd_detector_ros.threads.polled_group import PolledGroup
from tests.patience import wait_for

NUMBERS = itertools.count()


@pytest.fixture
def node(context):
    # The graph may still hold a node of another test, and asks the first of a name.
    node = LifecycleNode(f'test_outputs_{next(NUMBERS)}', context=context)
    yield node
    node.destroy_node()


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
        name = node.get_name()
        found = node.get_publisher_names_and_types_by_node(name, '/')
        # Those of every node, such as /rosout, may be told of at any time.
        return {topic for topic, _ in found if topic.startswith(f'/{name}/')}

    def spin():
        """Let the graph be told of changes, in its own time."""
        rclpy.spin_once(node, executor=executor, timeout_sec=0.02)

    executor = SingleThreadedExecutor(context=node.context)
    before = {f'/{node.get_name()}/transition_event'}
    wait_for(lambda: topics() == before, 'the topics of a node without cameras', pause=spin)
    publishers = outputs.CameraOutputs(node, '~', PolledGroup())
    wait_for(
        lambda: f'/{node.get_name()}/detections' in topics() - before, 'detections', pause=spin
    )
    publishers.destroy()
    wait_for(lambda: topics() == before, 'the topics to go', pause=spin)


def test_events_are_looked_at_shortly_after_they_were_let_in():
    now_s = [100.0]
    events = PolledGroup(lambda: now_s[0])
    seen = [events.can_execute(None)]
    events.open()
    for now_s[0] in (100.0, 100.04, 100.06):
        seen.append(events.can_execute(None))
    assert seen == [False, True, True, False]
