"""What can't be timed from outside: the node in this process, its callback called by hand."""

import time
from types import SimpleNamespace

import pytest
import rclpy
from rclpy._rclpy_pybind11 import RCLError
from rclpy.lifecycle import TransitionCallbackReturn
from rclpy.parameter import Parameter

from ssd_detector_ros.cameras.qos_events import subscribe_with_events, UnsupportedEventTypeError
from ssd_detector_ros.images.raw_images import to_rgb
from ssd_detector_ros.node import DetectorNode
from ssd_detector_ros.start.run import main
from tests.patience import patience_s, wait_for_end
from tests.ros.made_images import plain_image
from tests.tiny_bundle import DEPLOY_YAML, write_tiny_bundle

SUCCESS, FAILURE = TransitionCallbackReturn.SUCCESS, TransitionCallbackReturn.FAILURE


@pytest.fixture
def node(context, tmp_path):
    bundle = Parameter('bundle', value=str(write_tiny_bundle(tmp_path / 'tiny')))
    node = DetectorNode(context=context, parameter_overrides=[bundle])
    assert node.start()
    yield node
    node.destroy_node()


def test_every_frame_is_either_processed_or_dropped_for_a_reason(node):
    pipeline = node._pipeline
    statistics, num_sent, end_s = pipeline.statistics, 0, time.monotonic() + patience_s()
    report = statistics.end_period()
    while not (report.num_processed and report.drops.get('superseded')):
        assert time.monotonic() < end_s, report
        pipeline.on_image(pipeline.cameras[0], plain_image(size_wh=(640, 480)))
        num_sent += 1
        report = statistics.end_period()
    node.trigger_deactivate()
    report = statistics.end_period()
    assert report.num_received == num_sent
    # The last frame may still wait when the worker is stopped.
    assert num_sent - report.num_processed - report.drops['superseded'] in (0, 1)


def test_a_frame_without_a_stamp_arrives_without_an_age(node):
    pipeline, arrivals = node._pipeline, []
    pipeline._frames = SimpleNamespace(put=lambda index, arrival: arrivals.append(arrival))
    stamped = plain_image()
    stamped.header.stamp.sec = 1
    for image in (plain_image(), stamped):
        pipeline.on_image(pipeline.cameras[0], image)
    assert [arrival.age_ms is None for arrival in arrivals] == [True, False]


def test_only_frames_that_are_answered_are_converted(context, tmp_path, monkeypatch):
    converted = []
    monkeypatch.setattr(
        'ssd_detector_ros.node.make_converter',
        lambda *_, **__: lambda message, scale: [converted.append(message), to_rgb(message)][1],
    )
    bundle = Parameter('bundle', value=str(write_tiny_bundle(tmp_path / 'b', delay_ms=40)))
    node = DetectorNode(context=context, parameter_overrides=[bundle])
    assert node.start()
    for _ in range(20):
        node._pipeline.on_image(node._cameras[0], plain_image())
    statistics = node._pipeline.statistics
    node.trigger_deactivate()
    assert len(converted) == statistics.end_period().num_processed < 20
    node.destroy_node()


def test_a_middleware_that_counts_no_losses_is_subscribed_to_all_the_same():
    heard = []

    def subscribe(events):
        heard.append((events.message_lost is None, events.incompatible_qos is None))
        if events.message_lost is not None:
            raise UnsupportedEventTypeError('as rmw_zenoh or others may')
        return 'subscription'

    assert subscribe_with_events(subscribe, None, None) == 'subscription'
    assert heard == [(False, False), (True, False)]


def end_of_worker(pipeline):
    """Wait until an exception has ended the worker's thread."""
    wait_for_end(pipeline._worker._thread, 'the worker to end')


def test_a_frame_that_is_overtaken_by_an_interrupt_is_no_failure(node, context):
    pipeline, camera = node._pipeline, node._cameras[0]
    context.try_shutdown()
    pipeline.on_image(camera, plain_image(red=255))
    end_of_worker(pipeline)
    assert node.failure is None


def test_an_unforeseen_exception_ends_the_node_with_a_failure(node, context, monkeypatch):
    monkeypatch.setattr(node._cameras[0], 'outputs', None)
    pipeline = node._pipeline
    pipeline.on_image(node._cameras[0], plain_image(red=255))
    end_of_worker(pipeline)
    assert isinstance(node.failure, AttributeError)
    assert not context.ok()


def test_a_failed_activate_leaves_nothing_subscribed(context, tmp_path, monkeypatch):
    bundle = str(write_tiny_bundle(tmp_path / 'tiny'))
    given = [Parameter('bundle', value=bundle), Parameter('image_topics', value=['a', 'b'])]
    node = DetectorNode(context=context, parameter_overrides=given)
    subscribe, subscribed = node.create_subscription, []

    def fail_at_the_second(*arguments, **options):
        if subscribed:
            raise RCLError('failed to create subscription')
        subscribed.append(subscribe(*arguments, **options))
        return subscribed[0]

    node.trigger_configure()
    before = len(list(node.subscriptions))
    monkeypatch.setattr(node, 'create_subscription', fail_at_the_second)
    node.trigger_activate()
    assert subscribed and len(list(node.subscriptions)) == before
    assert node._pipeline is None
    node.destroy_node()


def test_what_was_known_of_a_camera_before_a_pause_is_forgotten(node):
    (camera,) = node._cameras
    camera.num_lost, camera.last_answered = 5, 'a frame'
    node.trigger_deactivate()
    node.trigger_activate()
    assert (camera.num_lost, camera.last_answered) == (0, None)


def test_the_queue_of_the_subscription_follows_the_drop_policy(node):
    """QoS overrides of the first activation once held its depth for good: frames were lost."""
    assert [qos.depth for qos in node._pipeline.qos] == [1]
    node.trigger_deactivate()
    node.trigger_cleanup()
    node.set_parameters([Parameter('drop_policy', value='keep_all')])
    assert node.start()
    assert [qos.depth for qos in node._pipeline.qos] == [30]


@pytest.fixture
def make(context):
    """Make unconfigured nodes with parameters given."""
    nodes = []

    def make(**given):
        # The bundles of a test lie in folders of their own.
        given = {'bundle_root': '/'} | given
        overrides = [Parameter(name, value=value) for name, value in given.items()]
        nodes.append(DetectorNode(context=context, parameter_overrides=overrides))
        return nodes[-1]

    yield make
    for node in nodes:
        node.destroy_node()


def change(node, name, value):
    (result,) = node.set_parameters([Parameter(name, value=value)])
    return result.successful


def test_a_failed_configure_can_be_mended_and_tried_again(make, bundle):
    node = make(bundle='/no/such/bundle', score_threshold=1.5)
    assert node.trigger_configure() == FAILURE
    assert change(node, 'bundle', str(bundle))
    assert node.trigger_configure() == FAILURE
    assert change(node, 'score_threshold', 0.5)
    assert node.trigger_configure() == SUCCESS


def test_another_bundle_brings_its_thresholds_but_keeps_what_the_user_set(make, bundle, tmp_path):
    text = DEPLOY_YAML.replace('score_threshold: 0.35', 'score_threshold: 0.75')
    text = text.replace('max_detections: 20', 'max_detections: 5')
    other = write_tiny_bundle(tmp_path / 'other', deploy_yaml=text)
    node = make(bundle=str(bundle), max_detections=7)
    assert node.start()
    assert node.get_parameter('score_threshold').value == 0.35
    assert node.trigger_deactivate() == node.trigger_cleanup() == SUCCESS
    assert change(node, 'bundle', str(other))
    assert node.trigger_configure() == SUCCESS
    assert node.get_parameter('score_threshold').value == 0.75
    assert node.get_parameter('max_detections').value == 7


def test_the_released_bundle_runs_in_int8_on_demand_and_gives_what_was_trained(make):
    node = make(precision='INT8', verify='refuse')
    assert node.trigger_configure() == SUCCESS
    assert node._models.warning == ''
    assert node._operation().detector.backend.description.endswith('model_int8_cpu.onnx')


def test_an_interrupt_while_the_node_is_made_is_no_failure(monkeypatch):
    def make():
        rclpy.shutdown()
        raise RCLError('failed to create service: the given context is not valid')

    monkeypatch.setattr('ssd_detector_ros.start.run.DetectorNode', make)
    assert main([]) == 0


@pytest.mark.parametrize('is_interrupted', [True, False])
def test_an_error_of_spin_counts_unless_an_interrupt_caused_it(
    monkeypatch, tmp_path, is_interrupted
):
    def spin(node, executor):
        if is_interrupted:
            rclpy.shutdown()
        raise RCLError('failed to initialize wait set: the given context is not valid')

    # The real one does so in 2 of 100 interrupts of a busy node.
    monkeypatch.setattr(rclpy, 'spin', spin)
    arguments = ['--ros-args', '-p', f'bundle:={write_tiny_bundle(tmp_path / "tiny")}']
    if is_interrupted:
        assert main(arguments) == 0
    else:
        with pytest.raises(RCLError):
            main(arguments)
