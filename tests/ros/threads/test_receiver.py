"""The thread that takes images: in this process, where its rounds can be counted."""

from threading import Event, Thread
import time
from types import SimpleNamespace

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.parameter import Parameter
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from ssd_detector_ros.frames import pipeline
from ssd_detector_ros.node import DetectorNode
from ssd_detector_ros.threads import receiver
from ssd_detector_ros.threads.polled_group import PolledGroup
from tests.patience import wait_for, wait_for_end
from tests.ros.made_images import plain_image
from tests.ros.talking import NO_EVENTS
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture
def camera(context):
    """Give a function that publishes an image, and says whether nobody subscribes."""
    node = rclpy.create_node('camera', context=context)
    publisher = node.create_publisher(Image, 'image', 10, event_callbacks=NO_EVENTS)

    def send():
        publisher.publish(plain_image(red=255))
        return publisher.get_subscription_count() == 0

    yield send
    node.destroy_node()


@pytest.fixture
def detector(context, tmp_path):
    bundle = Parameter('bundle', value=str(write_tiny_bundle(tmp_path / 'tiny')))
    node = DetectorNode(context=context, parameter_overrides=[bundle])
    yield node
    node.destroy_node()


def listening(context, on_image):
    """Subscribe as the pipeline does; no executor spins."""
    node = rclpy.create_node('listener', context=context)
    return node, node.create_subscription(
        Image, 'image', on_image, 10, raw=True, callback_group=PolledGroup()
    )


def answers(node, context, trigger):
    """Spin the node and one that listens, until a frame was answered."""
    executor = SingleThreadedExecutor(context=context)
    listener, heard = rclpy.create_node('listener', context=context), []
    listener.create_subscription(Detection2DArray, 'ssd_detector/detections', heard.append, 10)
    for participant in (node, listener):
        executor.add_node(participant)

    def spin():
        trigger()
        executor.spin_once(timeout_sec=0.05)

    wait_for(lambda: heard, 'an answer', pause=spin)
    executor.shutdown()
    listener.destroy_node()
    return heard


def fail(error):
    raise error


def send_until_it_ends(camera, thread):
    """Send images until one has ended a thread."""
    is_over, pause = lambda: not thread.is_alive(), lambda: [camera(), thread.join(0.1)]
    wait_for(is_over, 'an image to end the thread', pause=pause)


def test_images_are_taken_while_no_executor_spins(context, camera):
    heard = Event()
    node, subscription = listening(context, lambda _: heard.set())
    taking = receiver.Receiver(context, [subscription], on_failure=fail)
    wait_for(heard.is_set, 'an image', pause=lambda: [camera(), heard.wait(0.1)])
    taking.stop()
    node.destroy_node()


def test_after_stop_nothing_is_taken_any_more(context, camera):
    heard = []
    node, subscription = listening(context, heard.append)
    taking = receiver.Receiver(context, [subscription], on_failure=fail)
    taking.stop()
    assert not taking._thread.is_alive()
    while camera():
        pass
    camera()
    assert heard == []
    node.destroy_node()


def test_a_round_of_waiting_is_an_image_or_a_timeout(context, camera, monkeypatch):
    """Nothing turns in circles: each wait ends with an image, by stop() or after half a second."""
    rounds, heard, wait = [], [], receiver._wait

    def counted(*arguments, **options):
        ready = wait(*arguments, **options)
        rounds.append(len(ready))
        return ready

    monkeypatch.setattr(receiver, '_wait', counted)
    arrived, start_s = Event(), time.monotonic()
    node, subscription = listening(context, lambda image: [heard.append(image), arrived.set()])
    taking = receiver.Receiver(context, [subscription], on_failure=fail)
    for _ in range(10):
        wait_for(arrived.is_set, 'an image', pause=lambda: [camera(), arrived.wait(0.1)])
        arrived.clear()
    taking.stop()
    assert sum(rounds) == len(heard) >= 10
    # Of stop() one, and others only where half a second passed without an image.
    assert rounds.count(0) <= 1 + (time.monotonic() - start_s) / 0.5
    node.destroy_node()


def test_an_exception_of_a_callback_is_told_and_ends_the_thread(context, camera):
    failures = []
    node, subscription = listening(context, lambda _: fail(ZeroDivisionError('of a test')))
    taking = receiver.Receiver(context, [subscription], on_failure=failures.append)
    send_until_it_ends(camera, taking._thread)
    assert [type(failure) for failure in failures] == [ZeroDivisionError]
    taking.stop()
    node.destroy_node()


def test_an_exception_in_the_thread_ends_the_node_with_a_failure_in_words(
    context, camera, detector, monkeypatch, capfd
):
    monkeypatch.setattr(pipeline, 'read_image', lambda _: fail(ZeroDivisionError('of a test')))
    assert detector.start()
    thread = detector._pipeline._receiver._thread
    send_until_it_ends(camera, thread)
    assert isinstance(detector.failure, ZeroDivisionError) and not context.ok()
    assert 'the thread ssd_detector_receiver ended: ZeroDivisionError' in capfd.readouterr().err


def test_the_thread_ends_with_its_context(context, detector):
    assert detector.start()
    thread = detector._pipeline._receiver._thread
    context.try_shutdown()
    wait_for_end(thread, 'the receiver to end')
    assert detector.failure is None


def test_the_thread_ends_with_the_activation(detector):
    assert detector.start()
    thread = detector._pipeline._receiver._thread
    detector.trigger_deactivate()
    assert not thread.is_alive()


@pytest.mark.parametrize(
    'another_rclpy',
    [
        SimpleNamespace(),
        SimpleNamespace(WaitSet=lambda: None),
        SimpleNamespace(WaitSet=lambda *_: SimpleNamespace(clear_entities=lambda: None)),
    ],
    ids=['no wait set', 'other arguments', 'other methods'],
)
def test_with_another_rclpy_the_executor_takes_the_images(
    context, camera, detector, another_rclpy, monkeypatch, capfd
):
    monkeypatch.setattr(receiver, '_rclpy_pybind11', another_rclpy)
    assert detector.start()
    assert answers(detector, context, camera)
    told = capfd.readouterr().err.splitlines()
    assert len([line for line in told if 'images are taken by the executor' in line]) == 1


def test_the_executor_leaves_the_images_to_the_thread(context, camera, detector):
    assert detector.start()
    (subscription,) = detector._pipeline._subscriptions
    subscription.callback_group.open()
    assert not subscription.callback_group.can_execute(subscription)
    assert answers(detector, context, camera)


def storm(detector, camera, num_rounds):
    """Activate and deactivate again and again, while images come all the time."""
    is_over = Event()

    def keep_sending():
        while not is_over.wait(0.002):
            camera()

    sender = Thread(target=keep_sending)
    sender.start()
    try:
        for _ in range(num_rounds):
            assert detector.trigger_activate() == detector.trigger_deactivate()
    finally:
        is_over.set()
        sender.join()


@pytest.mark.parametrize('num_rounds', [20, pytest.param(300, marks=pytest.mark.slow)])
def test_a_storm_of_transitions_with_images_under_way_leaves_a_node_that_answers(
    context, camera, detector, num_rounds
):
    detector.trigger_configure()
    storm(detector, camera, num_rounds)
    assert detector.failure is None
    detector.trigger_activate()
    assert answers(detector, context, camera)
