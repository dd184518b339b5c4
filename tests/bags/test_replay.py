"""Replay through DDS into the real node: every frame is answered, or has a reason."""

from importlib.util import find_spec
import json
import shutil
import subprocess
from threading import Thread, Timer

from hypothesis import given
from hypothesis import strategies as st
import pytest

if find_spec('rclpy') is None:
    pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`', allow_module_level=True)

import numpy as np
import rclpy
from rclpy.executors import SingleThreadedExecutor
from sensor_msgs.msg import Image
from vision_msgs.msg import Detection2DArray

from ssd_detector_ros.bag_evaluation.live.max_rate import best_rate_hz, Trial
from ssd_detector_ros.bag_evaluation.live.playing import restamp
from ssd_detector_ros.bag_evaluation.making.making import Layout, make_recording
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene
from ssd_detector_ros.bag_evaluation.making.virtual_camera import VirtualCamera
from ssd_detector_ros.bag_evaluation.reading.decoding import read_header
from ssd_detector_ros.bag_evaluation.reading.recording import Recording
from ssd_detector_ros.bag_evaluation.scoring.sums import add_up, BACK, NodeCounts, ON_THE_WAY
from ssd_detector_ros.evaluate_bag import main
from tests.bags.scenery import write_colored
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'tiny')


def replay(bag, bundle, folder, *options):
    arguments = [bag, '--mode', 'replay', '--bundle', bundle, '--output', folder, *options]
    assert main([str(argument) for argument in arguments]) == 0
    return json.loads((folder / 'result.json').read_text())


def check_sums(result):
    figures = result['replay']
    dropped = sum(count for name, count in figures.items() if name.startswith('dropped: '))
    assert figures['sums_agree'] == 'yes'
    assert figures['frames_played'] == figures['frames_answered'] + dropped


def test_every_frame_is_answered_or_has_a_reason(bundle, tmp_path):
    bag = write_colored(tmp_path / 'bag', [0, 1, 2] * 4, Layout(rate_hz=20))

    result = replay(bag, bundle, tmp_path / 'out')

    check_sums(result)
    assert result['replay']['frames_played'] == 12
    assert result['mean_ap_answered'] == pytest.approx(1)
    assert result['answer_ms']['p50_ms'] > 0
    assert 'image to answer' in (tmp_path / 'out/report.html').read_text()


def test_compressed_images_play_in_loops_under_simulated_time(bundle, tmp_path):
    layout = Layout(rate_hz=20, transport='png')
    bag = write_colored(tmp_path / 'bag', [0, 1, 2], layout)

    result = replay(bag, bundle, tmp_path / 'out', '--clock', '--loops', 2, '--rate', 0.5)

    check_sums(result)
    assert result['replay']['frames_played'] == 6
    assert result['frames_scored'] == 6
    assert len(result['recordings']) == 2


@pytest.mark.slow
def test_a_node_that_is_too_slow_drops_frames_and_loses_streaming_ap(tmp_path):
    slow = write_tiny_bundle(tmp_path / 'slow', delay_ms=200)
    bag = write_colored(tmp_path / 'bag', [0] * 60, Layout(rate_hz=60))

    result = replay(bag, slow, tmp_path / 'out')

    check_sums(result)
    assert result['replay']['dropped: superseded'] > 10
    assert result['mean_ap_answered'] == pytest.approx(1)
    assert result['mean_ap'] < 0.9


@pytest.mark.slow
def test_the_highest_rate_is_found(bundle, tmp_path, capsys):
    bag = write_colored(tmp_path / 'bag', [0, 1, 2])

    arguments = [str(bag), '--find_max_rate', '--bundle', str(bundle), '--trial_s', '0.5']
    code = main([*arguments, '--output', str(tmp_path / 'out')])

    assert code == 0
    assert 'highest rate with under 5 % drops' in capsys.readouterr().out
    assert json.loads((tmp_path / 'out/result.json').read_text())['max_rate_hz'] > 5
    assert 'with under 5 % drops' in (tmp_path / 'out/report.html').read_text()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which('ros2') is None, reason='the ros2 command is not there')
@pytest.mark.parametrize(('min_map', 'code'), [('0.1', 0), ('1.0', 1)])
def test_the_launch_file_ends_as_the_evaluation_does(min_map, code, bundle, tmp_path):
    bag = write_colored(tmp_path / 'bag', [0, 1, 2], Layout(rate_hz=5), boxes=min_map == '0.1')
    command = ['ros2', 'launch', 'ssd_detector_ros', 'evaluate.launch.py', f'bag:={bag}']
    command += [f'bundle:={bundle}', f'output:={tmp_path}/out', f'arguments:=--min_map {min_map}']

    done = subprocess.run(command, check=False, capture_output=True, text=True)

    assert done.returncode == code, done.stdout + done.stderr
    assert (tmp_path / 'out/result.json').is_file()


class LateNode:
    """Another detector, always right, that answers some time after each image."""

    def __init__(self, truth: dict[int, bytes], delay_s: float) -> None:
        self._truth, self._delay_s = truth, delay_s
        self._context = rclpy.Context()
        rclpy.init(args=[], context=self._context)
        self._node = rclpy.create_node('late', context=self._context)
        self._publisher = self._node.create_publisher(Detection2DArray, '/late/detections', 100)
        self._node.create_subscription(Image, '/late/image', self._on_image, 100, raw=True)
        self._executor = SingleThreadedExecutor(context=self._context)
        self._executor.add_node(self._node)
        self._threads = [Thread(target=self._executor.spin, daemon=True)]
        self._timers: list[Timer] = []

    def __enter__(self):
        self._threads[0].start()
        return self

    def __exit__(self, *_):
        for timer in self._timers:
            timer.join()
        self._executor.shutdown()
        self._context.try_shutdown()
        self._threads[0].join()
        self._node.destroy_node()

    def _on_image(self, serialized: bytes) -> None:
        answer = self._truth[read_header(serialized)[0]]
        timer = Timer(self._delay_s, self._publisher.publish, [answer])
        timer.start()
        self._timers.append(timer)


@pytest.mark.slow
def test_a_node_that_sleeps_for_100_ms_loses_streaming_ap_on_a_moving_scene_and_no_ap(tmp_path):
    objects = Objects(np.array([[160.0, 40, 220, 80]]), ('red',), np.array([False]))
    scene = Scene('wide', lambda: np.zeros((120, 400, 3), np.uint8), objects)
    camera = VirtualCamera('pan', 200, (240, 100), rate_hz=20, seconds=4)
    make_recording([scene], tmp_path / 'bag', Layout(rate_hz=20), camera=camera)
    recording = Recording(tmp_path / 'bag')
    truth = {
        read_header(message.data)[0]: message.data
        for message in recording.messages({'/ground_truth'})
    }
    (tmp_path / 'labels').write_text('red\n')

    def run(delay_s):
        with LateNode(truth, delay_s):
            folder = tmp_path / str(delay_s)
            arguments = ['--node', '/late', '--play_topic', '/late/image', '--output', folder]
            arguments += ['--labels', tmp_path / 'labels', tmp_path / 'bag', '--mode', 'replay']
            assert main([str(argument) for argument in arguments]) == 0
            return json.loads((folder / 'result.json').read_text())

    fast, slow = run(0.0), run(0.1)

    assert fast['mean_ap_answered'] == slow['mean_ap_answered'] == pytest.approx(1)
    assert slow['streaming']['sap'] < fast['streaming']['sap'] - 0.2
    # It has no statistics: nobody can say why a frame has no answer.
    assert slow['replay']['sums_agree'] == 'no'


def test_a_node_that_does_not_start_is_told_with_its_last_words(tmp_path, capsys):
    bundle = write_tiny_bundle(tmp_path / 'tiny')
    bag = write_colored(tmp_path / 'bag', [0])

    code = main([str(bag), '--mode', 'replay', '--bundle', str(bundle), '--backend', 'abacus'])

    assert code == 1
    assert 'the node ended with exit code 1' in capsys.readouterr().err


@given(st.integers(0, 50), st.integers(0, 50), st.integers(0, 50), st.integers(0, 50))
def test_sums_agree_when_every_frame_has_a_reason(processed, superseded, lost, unheard):
    counts = NodeCounts(processed + superseded, processed, {'superseded': superseded})
    answered = max(processed - unheard, 0)

    sums = add_up(processed + superseded + lost, answered, counts)

    assert sums.agree
    assert sums.played - sums.answered == sum(sums.drops.values())
    assert sums.drops.get(ON_THE_WAY, 0) == lost
    assert sums.drops.get(BACK, 0) == processed - answered


@pytest.mark.parametrize(
    'counts',
    [
        NodeCounts(12, 10, {}),  # Two frames are at work.
        NodeCounts(15, 15, {}),  # More than were played: somebody else plays, too.
        NodeCounts(12, 8, {'superseded': 4}),  # More answers than it gave.
        None,
    ],
)
def test_sums_that_do_not_agree_say_so(counts):
    assert not add_up(12, 10, counts).agree


def test_counts_of_a_node_begin_where_the_replay_did():
    before = NodeCounts(100, 90, {'superseded': 10})
    after = NodeCounts(112, 100, {'superseded': 10, 'bad_image': 2})

    assert after.since(before) == NodeCounts(12, 10, {'bad_image': 2})
    assert after.since(before).is_settled


def test_a_stamp_is_changed_and_nothing_else():
    message = b'\x00\x01\x00\x00' + bytes(8) + b'\x04\x00\x00\x00cam\x00' + b'rest'

    changed = restamp(message, 3_000_000_007)

    assert read_header(changed) == (3_000_000_007, 'cam')
    assert changed[12:] == message[12:]


def test_the_highest_good_rate_is_the_result():
    trials = [Trial(5, 100, 100), Trial(10, 100, 96), Trial(20, 100, 95)]

    assert best_rate_hz(trials) == 10
    assert best_rate_hz(trials[2:]) is None
