"""The node as a process of its own, asked and answered over DDS."""

from lifecycle_msgs.msg import Transition
import pytest
from rclpy.qos import QoSProfile
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from tests.ros.made_images import broken, plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import LATCHED, peer
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope='module')
def log(tmp_path_factory):
    return tmp_path_factory.mktemp('node') / 'log'


@pytest.fixture(scope='module')
def detector(log):
    """Start a node with the tiny bundle and a peer to talk to it, once for the module."""
    bundle = write_tiny_bundle(log.parent / 'tiny')
    with running(detector_command('test_node', bundle=bundle), log), peer('test_node') as one:
        one.wait_until_active()
        yield one


@pytest.fixture(autouse=True)
def default_parameters(request):
    """Give each test the bundle's thresholds."""
    yield
    if 'detector' in request.fixturenames:
        one = request.getfixturevalue('detector')
        assert one.set_parameter('score_threshold', 0.35).successful
        assert one.set_parameter('class_id_format', 'label').successful


def scores(answer):
    return [detection.results[0].hypothesis.score for detection in answer.detections]


def class_ids(answer):
    return [detection.results[0].hypothesis.class_id for detection in answer.detections]


def test_an_image_is_answered_with_its_objects_in_pixels(detector):
    answer = detector.ask(plain_image(red=204, size_wh=(64, 48)))
    (found,) = answer.detections
    assert class_ids(answer) == ['red']
    assert scores(answer) == [pytest.approx(0.8, abs=1e-4)]
    box = found.bbox
    assert (box.center.position.x, box.center.position.y, box.center.theta) == (20.0, 24.0, 0.0)
    assert (box.size_x, box.size_y) == (24.0, 24.0)


def test_array_and_detections_carry_the_header_of_the_image(detector):
    header = detector.send(plain_image(red=255, green=255))
    answer = detector.answer_to(header)
    assert len(answer.detections) == 2
    assert [detection.header for detection in answer.detections] == [header, header]


def test_an_image_without_objects_is_answered_with_an_empty_array(detector):
    assert detector.ask(plain_image()).detections == []


def test_each_image_is_answered_once(detector):
    headers = []
    for _ in range(5):
        headers.append(detector.send(plain_image(blue=255)))
        detector.answer_to(headers[-1])
    assert [detector.num_answers_to(header) for header in headers] == [1] * 5


def test_the_next_message_obeys_a_new_threshold(detector):
    assert len(detector.ask(plain_image(red=128)).detections) == 1
    assert detector.set_parameter('score_threshold', 0.6).successful
    assert len(detector.ask(plain_image(red=128)).detections) == 0


def test_a_threshold_out_of_range_is_rejected_with_a_reason(detector):
    result = detector.set_parameter('score_threshold', 1.5)
    assert not result.successful
    assert 'score_threshold' in result.reason and '1.5' in result.reason
    assert detector.get_parameter('score_threshold').double_value == 0.35


def test_parameters_show_what_the_bundle_recommends(detector):
    assert detector.get_parameter('nms_iou_threshold').double_value == 0.5
    assert detector.get_parameter('max_detections').integer_value == 20


def test_class_id_is_the_number_on_demand(detector):
    assert detector.set_parameter('class_id_format', 'index').successful
    assert class_ids(detector.ask(plain_image(green=255))) == ['2']


def test_a_late_joiner_gets_the_labels(detector):
    messages = detector.listen_to_label_info()
    info = detector.wait_for(lambda: messages, 'label_info')[-1]
    assert [(entry.class_id, entry.class_name) for entry in info.class_map] == [
        (1, 'red'),
        (2, 'green'),
        (3, 'blue'),
    ]
    assert info.threshold == pytest.approx(0.35)


def test_label_info_follows_the_threshold(detector):
    messages = detector.listen_to_label_info()
    detector.set_parameter('score_threshold', 0.75)
    detector.wait_for(
        lambda: messages and messages[-1].threshold == pytest.approx(0.75), 'the new threshold'
    )


def test_a_subscriber_that_asks_for_what_is_not_offered_is_told_in_the_log(detector, log):
    detector.listen(Detection2DArray, 'detections', LATCHED)
    detector.wait_for(lambda: 'incompatible QoS' in log.read_text(), 'the warning')


def test_the_overlay_shows_the_box_to_whoever_subscribes(detector):
    overlays = detector.listen(Image, 'overlay', QoSProfile(depth=5))
    topic = f'{detector.detector}/overlay'
    detector.wait_for(lambda: detector.node.count_subscribers(topic), 'the subscription')
    headers = []

    def arrived():
        # The node sees a subscriber a little later than we do: ask until it draws.
        headers.append(detector.send(plain_image(red=255)))
        detector.answer_to(headers[-1])
        return overlays

    overlay = detector.wait_for(arrived, 'an overlay')[0]
    assert overlay.header in headers
    assert (overlay.encoding, overlay.width, overlay.height) == ('rgb8', 64, 48)
    assert bytes(overlay.data) != bytes(plain_image(red=255).data)


def test_bad_frames_are_logged_but_not_each(detector, log):
    target = detector.num_dropped('bad_image') + 2

    def dropped_two_more():
        detector.send(broken(encoding='h264'))
        return detector.num_dropped('bad_image') >= target

    detector.wait_for(dropped_two_more, 'two more dropped frames')
    lines = [line for line in log.read_text().splitlines() if 'frame dropped' in line]
    assert 1 <= len(lines) < detector.num_dropped('bad_image')
    assert 'received' in lines[0] and 'expected' in lines[0]


def test_statistics_count_frames_and_time_stages(detector):
    detector.statistics()
    before = detector.statistics()
    for _ in range(3):
        detector.ask(plain_image())
    after = detector.statistics()
    assert after.frames_received - before.frames_received == 3
    assert after.frames_processed - before.frames_processed == 3
    assert (after.stages[0], after.stages[-1]) == ('wait', 'total')
    assert 0 < after.latency_p50_ms[-1] <= after.latency_p99_ms[-1]
    assert after.processed_rate_hz > 0


def test_an_impossible_transition_is_refused_and_the_node_lives_on(detector):
    assert not detector.change_state(Transition.TRANSITION_CONFIGURE)
    assert detector.state() == 'active'
    assert len(detector.ask(plain_image(red=255)).detections) == 1


def test_the_node_goes_through_its_lifecycle_and_comes_back(detector):
    assert detector.change_state(Transition.TRANSITION_DEACTIVATE)
    assert detector.change_state(Transition.TRANSITION_CLEANUP)
    assert detector.set_parameter('max_detections', 1).successful
    assert detector.change_state(Transition.TRANSITION_CONFIGURE)
    assert detector.change_state(Transition.TRANSITION_ACTIVATE)
    detector.wait_until_active()
    assert len(detector.ask(plain_image(red=255, green=255)).detections) == 1
    assert detector.set_parameter('max_detections', 20).successful
