"""QoS overrides that can not be, or are for nobody, are told at configure, all at once."""

import pytest
import rclpy
from rclpy.parameter import Parameter

from ssd_detector_ros.node import DetectorNode


@pytest.fixture
def configure(bundle, capfd):
    """Configure a node that was given QoS overrides; give what failed and what was logged."""
    context = rclpy.Context()
    rclpy.init(args=[], context=context)
    nodes = []

    def run(overrides, **parameters):
        values = {f'qos_overrides.{name}': value for name, value in overrides.items()}
        given = [
            Parameter(name, value=value)
            for name, value in ({'bundle': str(bundle)} | parameters | values).items()
        ]
        node = DetectorNode(context=context, parameter_overrides=given)
        nodes.append(node)
        node.trigger_configure()
        log = capfd.readouterr().err
        assert 'Traceback' not in log
        return node._models.failure, log

    yield run
    for node in nodes:
        node.destroy_node()
    context.try_shutdown()


# What rclpy ends with in a traceback, at activate or where the node is made.
IMPOSSIBLE = {
    '/image.subscription.reliability': ('relible', 'expected one of system_default, reliable, '),
    '/image.subscription.durability': (5, 'expected one of system_default, transient_local, '),
    '/ssd_detector/statistics.publisher.reliability': ('nope', 'expected one of system_default'),
    '/ssd_detector/detections.publisher.depth': (-1, 'expected a whole number from 0'),
    '/ssd_detector/label_info.publisher.history': ('all', 'expected one of system_default'),
}


def test_every_value_that_can_not_be_is_refused_at_configure_in_words(configure):
    failure, _ = configure({name: value for name, (value, _) in IMPOSSIBLE.items()})
    for name, (value, expected) in IMPOSSIBLE.items():
        assert f"parameter qos_overrides.{name}: received '{value}'; {expected}" in failure


@pytest.mark.parametrize('policy', ['relibility', 'depth'])
def test_a_policy_that_can_not_be_overridden_there_is_refused(configure, policy):
    failure, _ = configure({f'/image.subscription.{policy}': 5})
    assert 'expected one of reliability, durability' in failure


def test_overrides_of_topics_of_others_are_warned_of_with_the_nearest_of_ours(configure):
    failure, log = configure(
        {
            '/imag.subscription.reliability': 'reliable',
            '/arm/joints.subscription.depth': 5,
            '/clock.subscription.depth': 5,
        }
    )
    assert failure == ''
    assert 'did you mean qos_overrides./image.subscription?' in log
    assert 'qos_overrides./arm/joints.subscription.depth: without effect' in log
    assert '/clock' not in log


def test_overrides_of_topics_of_ours_are_no_news(configure):
    failure, log = configure(
        {
            '/image.subscription.reliability': 'RELIABLE',
            '/ssd_detector/detections.publisher.depth': 3,
        }
    )
    assert (failure, log.count('qos_overrides')) == ('', 0)


def test_a_camera_whose_topics_of_detections_get_too_long_is_refused_in_words(configure):
    failure, _ = configure({}, image_topics=[f'/{"a" * 230}', 'b'])
    assert 'topics of the detections: ' in failure and 'at most 247 characters' in failure
