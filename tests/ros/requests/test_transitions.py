"""Lifecycle transitions at odd moments: nothing of before is left, nothing ends the node."""

import signal
import time

from lifecycle_msgs.msg import Transition
import pytest

from ssd_msgs.srv import LoadModel
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope='module')
def slow_bundle(tmp_path_factory):
    """Give a bundle that takes a second or so to load, most of it in ONNX Runtime."""
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'slow', delay_ms=2000)


def load(one, path):
    return one.call_later('load_model', LoadModel.Request(bundle=str(path)))


def test_a_model_that_is_still_loading_does_not_replace_that_of_a_later_configure(
    bundle, slow_bundle, tmp_path
):
    command = detector_command('test_void', bundle=bundle)
    with running(command, tmp_path / 'log'), peer('test_void') as one:
        one.wait_until_active()
        # The first request to a service may arrive late, whatever was asked for after it.
        one.wait_for(load(one, '/no/such/bundle').done, 'the answer')
        future = load(one, slow_bundle)
        assert one.change_state(
            Transition.TRANSITION_DEACTIVATE,
            Transition.TRANSITION_CLEANUP,
            Transition.TRANSITION_CONFIGURE,
            Transition.TRANSITION_ACTIVATE,
        )
        assert not future.done(), 'the bundle was not slow enough for this test'
        one.wait_for(future.done, 'the answer')
        assert not future.result().success
        assert 'cleaned up' in future.result().message
        assert one.get_parameter('bundle').string_value == str(bundle)
        # What became of it is no concern of the model at work.
        assert one.diagnosis('model', lambda status: True).level == b'\0'


def test_a_refused_model_is_no_failed_configure(bundle, tmp_path):
    command = detector_command('test_refused', bundle=bundle)
    with running(command, tmp_path / 'log'), peer('test_refused') as one:
        one.wait_until_active()
        future = load(one, '/no/such/bundle')
        one.wait_for(future.done, 'the answer')
        assert one.change_state(Transition.TRANSITION_DEACTIVATE, Transition.TRANSITION_CLEANUP)
        status = one.diagnosis('model', lambda status: 'goes on' not in status.message)
        assert 'not configured' in status.message


# Slow: both go the same way, which other tests hold for both.
@pytest.mark.parametrize(
    'signal_number', [signal.SIGINT, pytest.param(signal.SIGTERM, marks=pytest.mark.slow)]
)
def test_a_signal_while_a_model_is_loaded_ends_the_node_cleanly(
    bundle, slow_bundle, tmp_path, signal_number
):
    namespace = f'test_loading_{signal_number.name.lower()}'
    log = tmp_path / 'log'
    with running(detector_command(namespace, bundle=bundle), log) as process:
        with peer(namespace) as one:
            one.wait_until_active()
            one.wait_for(load(one, '/no/such/bundle').done, 'the answer')
            future = load(one, slow_bundle)
            one.spin_until(time.monotonic() + 0.3)
            assert not future.done(), 'the bundle was not slow enough for this test'
            process.send_signal(signal_number)
            one.wait_for(lambda: process.poll() is not None, 'the end')
    assert process.returncode == 0, log.read_text()
    assert 'Traceback' not in log.read_text()
