"""What is subscribed to for each camera, and what is published for it, under remapping rules."""

import pytest
import rclpy
from rclpy.node import Node
from sensor_msgs.msg import CompressedImage, Image

from ssd_detector import ConfigError
from ssd_detector_ros.cameras.camera_names import name_cameras
from ssd_detector_ros.cameras.transports import TRANSPORTS


@pytest.fixture
def node():
    context = rclpy.Context()
    rules = ('front:=/cam/front', 'left:=right', 'right:=left', 'jpeg/compressed:=/cam/jpeg')
    rules += ('both:=/cam/both', 'both/compressed:=/cam/packed')
    arguments = [word for rule in rules for word in ('-r', rule)]
    rclpy.init(args=['--ros-args', *arguments], context=context)
    node = Node('detector', namespace='/robot', context=context)
    yield node
    node.destroy_node()
    context.try_shutdown()


def names(node, *topics, transport='raw'):
    one, several = (topics[0], ()) if len(topics) == 1 else ('image', topics)
    return name_cameras(
        node, image_topic=one, image_topics=several, transport=TRANSPORTS[transport]
    )


def test_names_follow_namespace_and_remapping_and_outputs_follow_what_was_given(node):
    assert [(camera.topic, camera.prefix) for camera in names(node, 'front', '/rear/image')] == [
        ('/cam/front', '~/front'),
        ('/rear/image', '~/rear/image'),
    ]
    (alone,) = names(node, 'image', transport='compressed')
    assert (alone.topic, alone.prefix) == ('/robot/image/compressed', '~')


@pytest.mark.parametrize('transport', ['raw', 'compressed'])
def test_names_are_those_that_rcl_subscribes_to_and_swapped_ones_are_swapped(node, transport):
    suffix, message_type = {'raw': ('', Image), 'compressed': ('/compressed', CompressedImage)}[
        transport
    ]
    found = names(node, 'left', 'right', 'front', 'jpeg', transport=transport)
    subscribed = [
        node.create_subscription(message_type, camera.given, print, 1).topic_name
        for camera in found
    ]
    assert subscribed == [camera.topic for camera in found]
    assert [topic.removesuffix(suffix) for topic in subscribed[:3]] == [
        '/robot/right',
        '/robot/left',
        '/cam/front',
    ]
    assert subscribed[3] == ('/robot/jpeg' if transport == 'raw' else '/cam/jpeg')
    others = names(
        node,
        *('left', 'right', 'front', 'jpeg'),
        transport={'raw': 'compressed', 'compressed': 'raw'}[transport],
    )
    assert [camera.other_topic for camera in found] == [camera.topic for camera in others]


def test_a_rule_for_the_compressed_topic_goes_before_one_for_the_raw_one(node):
    (compressed,) = names(node, 'both', transport='compressed')
    assert (compressed.topic, compressed.other_topic) == ('/cam/packed', '/cam/both')


@pytest.mark.parametrize(
    ('topics', 'parameter'), [(('',), 'image_topic'), (('front', ''), 'image_topics')]
)
def test_no_name_is_one_finding_with_its_parameter(node, topics, parameter):
    with pytest.raises(ConfigError) as caught:
        names(node, *topics)
    assert caught.value.findings == (
        f"{parameter}: received ''; expected the name of a topic, such as image",
    )


def test_what_is_no_name_comes_with_the_reason_without_where_it_was_found(node):
    with pytest.raises(ConfigError) as caught:
        names(node, 'no topic')
    (finding,) = caught.value.findings
    head, _, reason = finding.partition("received 'no topic': ")
    assert head == 'image topic: ' and len(reason) > 10 and ', at ' not in reason


@pytest.mark.parametrize(
    ('topics', 'words'),
    [
        (('front', '/front'), 'given twice'),
        (('camera/compressed',), 'expected camera'),
        (('',), "received ''"),
        (('no topic',), 'no topic'),
        (('front', '9lives', 'no topic'), '9lives'),
        (('9lives', 'no topic'), "'no topic'"),
        (('front', '/cam/front'), 'several cameras are remapped to'),
        (('front', '~'), "received '~'"),
    ],
)
def test_topics_that_can_not_be_are_refused_with_their_name(node, topics, words):
    with pytest.raises(ConfigError) as caught:
        names(node, *topics)
    assert words in str(caught.value)
