"""Anything over DDS: the node lives, says what it dropped, and no box leaves its image."""

from hypothesis import given, HealthCheck, settings
from hypothesis import strategies as st
from lifecycle_msgs.msg import Transition
import pytest
from sensor_msgs.msg import Image

from ssd_detector_ros.images.raw_images import ENCODINGS
from ssd_detector_ros.parameters.declarations import LIVE
from tests.ros.made_images import plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import write_tiny_bundle

FUZZ = settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
sides = st.integers(0, 9) | st.sampled_from([1, 2**16, 2**31, 2**32 - 1])
values = st.one_of(
    st.floats(),
    st.integers(-(2**63), 2**63 - 1),
    st.booleans(),
    st.text(st.characters(exclude_categories=['Cs'], exclude_characters='\0'), max_size=20),
    st.lists(st.floats(), min_size=1, max_size=5),
    st.lists(st.sampled_from(['', 'red', 'red=0.5', 'x=1', '0,0 1,0 1,1', '=']), min_size=1),
    st.lists(st.floats(0, 1), min_size=4, max_size=4),
)


@pytest.fixture(scope='module')
def detector(tmp_path_factory):
    folder = tmp_path_factory.mktemp('fuzz')
    bundle = write_tiny_bundle(folder / 'tiny')
    command = detector_command('test_fuzz', bundle=bundle)
    with running(command, folder / 'log') as process, peer('test_fuzz') as one:
        one.wait_until_active()
        yield one
        assert process.poll() is None
    assert 'Traceback' not in (folder / 'log').read_text()


@st.composite
def fuzzed_images(draw):
    encoding = draw(st.sampled_from([*ENCODINGS, 'h264', '']))
    if draw(st.booleans()):
        # Nearly right: such an image may well be answered.
        width, height = draw(st.integers(1, 6)), draw(st.integers(1, 6))
        step = width * 4 + draw(st.integers(0, 3))
        size = step * height * 2
    else:
        width, height, step, size = (draw(sides) for _ in range(4))
    data = draw(st.binary(min_size=min(size, 500), max_size=min(size, 500)))
    return Image(
        encoding=encoding,
        width=width,
        height=height,
        step=step,
        data=data,
        is_bigendian=draw(st.integers(0, 255)),
    )


@FUZZ
@given(fuzzed_images())
def test_any_image_is_answered_inside_itself_or_dropped(detector, message):
    header = detector.send(message)
    # Frames stay in order: once the next is answered, this one was answered or dropped.
    detector.establish(plain_image())
    for answer in detector.answers_to(header):
        for detection in answer.detections:
            box = detection.bbox
            assert 0 <= box.center.position.x - box.size_x / 2
            assert box.center.position.x + box.size_x / 2 <= message.width
            assert 0 <= box.center.position.y - box.size_y / 2
            assert box.center.position.y + box.size_y / 2 <= message.height
            assert box.size_x > 0 and box.size_y > 0


@FUZZ
@given(st.binary(max_size=100), st.integers(0, 1))
def test_any_bytes_on_the_topic_are_dropped_and_the_node_lives(detector, content, byte_order):
    detector.publisher().publish(bytes([0, byte_order, 0, 0]) + content)
    detector.establish(plain_image())


def test_bytes_that_are_no_image_are_told_also_before_the_first_image(detector):
    # Deactivated and activated, the node has seen no image yet.
    assert detector.change_state(Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_ACTIVATE)
    detector.wait_for_drop('bad_image', lambda: detector.publisher().publish(b'\0\1\0\0no'))
    status = detector.diagnosis(
        'images',
        lambda status: [
            detector.publisher().publish(b'\0\1\0\0no'),
            'no sensor_msgs/Image' in status.message,
        ][1],
    )
    assert 'check the publisher' in status.message


def test_what_was_dropped_is_counted_by_reason(detector):
    latest = detector.statistics()
    assert latest.frames_received == latest.frames_processed + sum(latest.drop_counts)


@FUZZ
@given(st.sampled_from(sorted(LIVE)), values)
def test_any_value_of_a_parameter_is_taken_or_refused_with_a_reason(detector, name, value):
    result = detector.set_parameter(name, value)
    assert result.successful or result.reason
    detector.send(plain_image(red=255))
    detector.get_parameter(name)


def test_the_node_can_be_set_right_again(detector):
    for name, declaration in LIVE.items():
        if declaration.default is not None:
            assert detector.set_parameter(name, declaration.default).successful
    for name, value in (('score_threshold', 0.35), ('nms_iou_threshold', 0.5)):
        assert detector.set_parameter(name, value).successful
    for name in ('class_thresholds', 'allowed_classes'):
        assert detector.set_parameter(name, ['']).successful
    assert detector.set_parameter('max_detections', 20).successful
    assert len(detector.ask(plain_image(red=255)).detections) == 1
