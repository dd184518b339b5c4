"""The node compares its model with what was trained, at configure and when a model is swapped."""

import pytest

from ssd_detector_ros.health.diagnostics import OK, WARN
from ssd_detector_ros.start.run import main
from ssd_msgs.srv import LoadModel
from tests.ros.made_images import plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import write_verifiable_bundle


@pytest.fixture(scope='module')
def good(tmp_path_factory):
    return write_verifiable_bundle(tmp_path_factory.mktemp('good') / 'good')


@pytest.fixture(scope='module')
def shifted(tmp_path_factory):
    folder = tmp_path_factory.mktemp('shifted') / 'shifted'
    return write_verifiable_bundle(folder, box_shift=0.25)


def test_a_model_with_other_boxes_than_the_trained_ones_is_refused_with_the_shift(shifted, capfd):
    assert main(['--ros-args', '-p', f'bundle:={shifted}', '-p', 'verify:=refuse']) == 1
    output = capfd.readouterr().err
    assert 'parity failed' in output and 'largest box shift 8 px (allowed 0.1)' in output


def test_a_warned_model_works_and_a_good_one_ends_the_warning(shifted, good, tmp_path):
    log = tmp_path / 'log'
    with (
        running(detector_command('test_warn', bundle=shifted), log) as process,
        peer('test_warn') as one,
    ):
        one.wait_until_active()
        assert len(one.ask(plain_image(255)).detections) == 1
        warned = one.diagnosis('model', lambda status: status.level == WARN)
        assert 'parity failed' in warned.message and 'export the bundle again' in warned.message
        assert 'parity failed' in log.read_text()

        loaded = one.call('load_model', LoadModel.Request(bundle=str(good)))
        assert loaded.success
        assert one.diagnosis('model', lambda status: status.level == OK)
        assert process.poll() is None


def test_refusing_also_holds_for_a_swap_and_for_a_bundle_without_records(good, shifted, tmp_path):
    command = detector_command('test_swap_refused', bundle=good, verify='refuse')
    with running(command, tmp_path / 'log'), peer('test_swap_refused') as one:
        one.wait_until_active()
        refused = one.call('load_model', LoadModel.Request(bundle=str(shifted)))
        assert not refused.success and 'parity failed' in refused.message
        plain = shifted.with_name('shifted_plain')
        refused = one.call('load_model', LoadModel.Request(bundle=str(plain)))
        assert not refused.success and 'parity.npz' in refused.message
        assert len(one.ask(plain_image(255)).detections) == 1
