"""QoS overrides that can not be, or are for nobody, are told at configure, all at once."""

from contextlib import nullcontext
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.parameter import Parameter

from ssd_detector import ConfigError
from ssd_detector_ros.node import DetectorNode
from ssd_detector_ros.parameters.qos_overrides import (
    PUBLISHER_POLICIES,
    QosOverrides,
    reliability_parameter,
)


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


VALUES = [
    ('depth', 0, True),
    ('depth', 7, True),
    ('depth', 10_000, True),
    ('depth', 10_001, False),
    ('depth', -1, False),
    ('depth', 1.0, False),
    ('reliability', 'BEST_EFFORT', True),
    ('durability', 'volatile', True),
    ('history', 'keep_last', True),
    ('history', 'unknown', False),
    ('avoid_ros_namespace_conventions', 'maybe', True),
]


@pytest.mark.parametrize(('policy', 'value', 'is_good'), VALUES)
def test_a_value_that_can_not_be_is_taken_out_and_any_other_stays(policy, value, is_good):
    name = f'qos_overrides./image.subscription.{policy}'
    given = {name: Parameter(name, value=value), 'bundle': Parameter('bundle', value='b')}
    overrides = QosOverrides(SimpleNamespace(_parameter_overrides=given))
    assert (name in given, 'bundle' in given) == (is_good, True)
    with nullcontext() if is_good else pytest.raises(ConfigError, match=policy):
        overrides.check_values()


class FakeNode:
    """Knows the overrides that it was given, and those that its publishers declared."""

    def __init__(self, *given):
        names = [f'qos_overrides.{name}' for name in given]
        self._parameter_overrides = {name: Parameter(name, value='reliable') for name in names}
        self.warnings = []

    def get_parameters_by_prefix(self, prefix):
        assert prefix == 'qos_overrides'
        return dict.fromkeys(
            f'/node/detections.publisher.{policy}' for policy in PUBLISHER_POLICIES
        )

    def get_logger(self):
        return SimpleNamespace(warning=self.warnings.append)


@pytest.mark.parametrize(
    ('name', 'warning', 'fault'),
    [
        ('/image.subscription.reliability', '', ''),
        ('/node/detections.publisher.history', '', ''),
        ('/image.subscription.history', '', 'expected one of reliability, durability'),
        ('/node/detections.publisher.durability', '', 'one of history, depth, reliability'),
        ('/node/detection.publisher.depth', 'mean qos_overrides./node/detections.publisher?', ''),
        ('/9.publisher.depth', 'of this node: /image.subscription, /node/detections.pub', ''),
        ('/rosout.publisher.depth', '', ''),
    ],
)
def test_an_override_is_compared_with_the_topics_and_policies_that_there_are(name, warning, fault):
    node = FakeNode(name)
    faults = QosOverrides(node).check_topics(['/image'])
    assert [warning in told for told in node.warnings] == [True] * bool(warning)
    assert [fault in told for told in faults] == [True] * bool(fault)


def test_each_override_is_compared():
    names = ('/clock.subscription.depth', '/image.subscription.reliability', '/x', '/y')
    node = FakeNode(*names)
    assert QosOverrides(node).check_topics(['/image']) == []
    assert [warning.partition(':')[0] for warning in node.warnings] == [
        'parameter qos_overrides./x',
        'parameter qos_overrides./y',
    ]


def test_the_parameter_that_says_how_to_subscribe_has_the_name_of_the_topic():
    name = 'qos_overrides./image.subscription.reliability'
    assert reliability_parameter('/image') == name


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
