"""Live control of a running node: what is reported, services, parameters that load back."""

import shutil
import subprocess

import cv2
import numpy as np
import pytest
from rclpy.qos import QoSProfile
from std_msgs.msg import Header
from vision_msgs.msg import Detection2DArray

from ssd_detector_ros.outputs.messages import to_image
from ssd_msgs.srv import LoadModel, SetEnabled, Snapshot
from tests.patience import patience_s
from tests.ros.made_images import plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import DEPLOY_YAML, write_tiny_bundle

NAMESPACE = 'test_control'
ALL = {'red': 255, 'green': 255, 'blue': 255}
DEFAULTS = {
    'score_threshold': 0.35,
    'class_thresholds': [''],
    'allowed_classes': [''],
    'region_of_interest': [0.0, 0.0, 1.0, 1.0],
    'ignore_polygons': [''],
    'max_rate_hz': 0.0,
    'candidate_score_threshold': 0.05,
}


@pytest.fixture(scope='module')
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp('control')


@pytest.fixture(scope='module')
def bundle(folder):
    return write_tiny_bundle(folder / 'tiny')


@pytest.fixture(scope='module')
def running_detector(bundle, folder):
    command = detector_command(NAMESPACE, bundle=bundle, snapshot_folder=folder / 'default')
    with running(command, folder / 'log'), peer(NAMESPACE) as one:
        one.wait_until_active()
        yield one


@pytest.fixture
def detector(running_detector, bundle):
    """Give each test a node with the tiny bundle and default parameters."""
    yield running_detector
    request = LoadModel.Request(bundle=str(bundle))
    assert running_detector.call('load_model', request).success
    for name, value in DEFAULTS.items():
        assert running_detector.set_parameter(name, value).successful, name


def labels(answer):
    return {detection.results[0].hypothesis.class_id for detection in answer.detections}


def test_only_allowed_classes_are_reported(detector):
    assert labels(detector.ask(plain_image(**ALL))) == {'red', 'green', 'blue'}
    assert detector.set_parameter('allowed_classes', ['red', 'blue']).successful
    assert labels(detector.ask(plain_image(**ALL))) == {'red', 'blue'}


def test_a_class_can_have_a_threshold_of_its_own(detector):
    assert detector.set_parameter('class_thresholds', ['red=0.9']).successful
    assert labels(detector.ask(plain_image(red=204, green=204))) == {'green'}


def test_the_region_of_interest_is_looked_at_alone_and_boxes_stay_in_the_image(detector):
    image_rgb = np.zeros((48, 64, 3), np.uint8)
    image_rgb[:, 32:, 0] = 255
    message = to_image(image_rgb, Header())
    assert detector.ask(message).detections[0].results[0].hypothesis.score < 0.51
    assert detector.set_parameter('region_of_interest', [0.5, 0.0, 1.0, 1.0]).successful
    (found,) = detector.ask(message).detections
    assert found.results[0].hypothesis.score == pytest.approx(1.0)
    box = found.bbox
    assert (box.center.position.x, box.size_x) == (42.0, 12.0)
    assert (box.center.position.y, box.size_y) == (24.0, 24.0)


def test_boxes_in_an_ignored_polygon_are_not_reported(detector):
    # Red's centre is at (0.31, 0.5), green's at (0.75, 0.25).
    assert detector.set_parameter('ignore_polygons', ['0.2,0.4 0.4,0.4 0.3,0.6']).successful
    assert labels(detector.ask(plain_image(red=255, green=255))) == {'green'}


def test_frames_above_the_highest_rate_are_dropped(detector):
    assert detector.set_parameter('max_rate_hz', 0.01).successful
    before = detector.statistics().frames_processed
    detector.wait_for_drop('rate_limit', lambda: detector.send(plain_image()))
    assert detector.statistics().frames_processed - before <= 1


@pytest.mark.parametrize(
    ('name', 'value', 'reason'),
    [
        ('bundle', '/elsewhere', 'cleanup'),
        ('class_id_format', 'number', 'label, index'),
        ('class_thresholds', ['purple=0.5'], 'red, green, blue'),
        ('class_thresholds', ['red'], 'label=threshold'),
        ('max_detections', 0, 'max_detections'),
        ('allowed_classes', ['purple'], 'red, green, blue'),
        ('region_of_interest', [0.0, 0.0, 1.0], 'expected 4'),
        ('region_of_interest', [0.5, 0.0, 0.5, 1.0], 'x1 < x2'),
        ('ignore_polygons', ['0,0 1,1'], '3 or more'),
        ('ignore_polygons', ['here'], "'here'"),
        ('max_rate_hz', -1.0, 'max_rate_hz'),
        ('max_age_ms', float('nan'), 'max_age_ms'),
        ('candidate_score_threshold', 2.0, 'candidate_score_threshold'),
        ('backend', 'gpu', 'onnxruntime'),
        ('drop_policy', 'keep_all', 'cleanup'),
        ('only_if_subscribed', 1, 'Wrong parameter type'),
    ],
)
def test_a_live_value_that_can_not_apply_is_rejected_with_a_reason(detector, name, value, reason):
    result = detector.set_parameter(name, value)
    assert not result.successful
    assert reason in result.reason


def test_candidates_come_with_low_scores_while_someone_subscribes(detector):
    candidates = detector.listen(Detection2DArray, 'candidates', QoSProfile(depth=5))
    topic = f'{detector.detector}/candidates'
    detector.wait_for(lambda: detector.node.count_subscribers(topic), 'the subscription')
    detector.wait_for(
        lambda: [detector.ask(plain_image(red=51)), candidates][1], 'a message of candidates'
    )
    assert labels(detector.ask(plain_image(red=51))) == set()
    (found,) = candidates[-1].detections
    assert found.results[0].hypothesis.score == pytest.approx(0.2, abs=1e-3)
    assert detector.set_parameter('candidate_score_threshold', 0.3).successful
    header = detector.ask(plain_image(red=51)).header
    detector.wait_for(lambda: candidates[-1].header == header, 'its candidates')
    assert candidates[-1].detections == []


def test_a_disabled_detector_drops_frames_until_it_is_enabled(detector):
    answer = detector.call('set_enabled', SetEnabled.Request(enabled=False))
    assert answer.success and 'disabled' in answer.message
    detector.wait_for_drop('disabled', lambda: detector.send(plain_image()))
    assert 'set_enabled' in detector.diagnosis('images', lambda one: True).message
    answer = detector.call('set_enabled', SetEnabled.Request(enabled=True))
    assert answer.success
    assert detector.ask(plain_image()).detections == []


def test_a_snapshot_is_a_voc_image_with_its_detections_that_training_reads(detector, folder):
    read_voc = pytest.importorskip('ssd_training.data.sources.voc').read_voc
    header = detector.ask(plain_image(red=255, green=255)).header
    request = Snapshot.Request(folder=str(folder / 'voc'), image_topic=f'/{NAMESPACE}/image')
    answer = detector.call('snapshot', request)
    assert answer.success, answer.message
    (record,) = read_voc(
        folder / 'voc', 'snapshots', labels=('red', 'green', 'blue'), max_boxes=10
    )
    assert answer.image_path.endswith(f'JPEGImages/{record.image_id}.jpg')
    assert record.image_id.endswith(f'{header.stamp.sec}{header.stamp.nanosec:09d}')
    image_bgr = cv2.imread(answer.image_path)
    np.testing.assert_allclose(image_bgr[0, 0], (0, 255, 255), atol=3)  # JPEG rounds.
    truth = record.ground_truths
    np.testing.assert_array_equal(truth.class_ids, [1, 2])
    np.testing.assert_array_equal(truth.boxes_xyxy, [[8, 12, 32, 36], [32, 0, 64, 24]])


def test_a_second_snapshot_of_a_frame_is_not_listed_twice(detector, folder):
    detector.ask(plain_image())
    for _ in range(2):
        assert detector.call('snapshot', Snapshot.Request()).success
    listed = (folder / 'default/ImageSets/Main/snapshots.txt').read_text().split()
    assert len(listed) == len(set(listed)) == 1


@pytest.mark.parametrize(
    ('fields', 'words'),
    [
        ({'image_topic': '/no/camera'}, 'no/camera'),
        ({'folder': '/proc/none'}, '/proc/none'),
        ({'folder': '~nosuchuser/x'}, '~nosuchuser/x: '),
        ({'folder': 'x' * 300}, 'too long'),
        ({'folder': 'x' * 10**5}, "x'... (100000 characters)"),
        ({'image_topic': 'x' * 10**5}, "x'... (100000 characters)"),
    ],
)
def test_a_snapshot_that_is_impossible_says_why(detector, fields, words):
    detector.ask(plain_image())
    answer = detector.call('snapshot', Snapshot.Request(**fields))
    assert not answer.success
    assert words in answer.message


def test_a_frame_that_no_jpeg_can_hold_is_no_snapshot(detector):
    detector.ask(plain_image(size_wh=(70_000, 1)))
    answer = detector.call('snapshot', Snapshot.Request())
    assert not answer.success
    assert '70000x1' in answer.message and '65500' in answer.message


def test_a_list_of_snapshots_that_is_no_text_is_kept_and_gets_longer(detector, folder):
    path = folder / 'odd/ImageSets/Main/snapshots.txt'
    path.parent.mkdir(parents=True)
    path.write_bytes(b'caf\xe9\n')
    detector.ask(plain_image())
    request = Snapshot.Request(folder=str(folder / 'odd'))
    assert detector.call('snapshot', request).success
    assert path.read_bytes().startswith(b'caf\xe9\n') and path.read_bytes().count(b'\n') == 2


def test_frames_without_a_stamp_are_snapshots_of_their_own(detector, folder):
    for _ in range(2):
        message = plain_image()
        before = detector.statistics().frames_processed
        detector.publisher().publish(message)
        detector.wait_for(
            lambda before=before: detector.latest_statistics().frames_processed > before, 'it'
        )
        request = Snapshot.Request(folder=str(folder / 'unstamped'))
        assert detector.call('snapshot', request).success
    assert len(list((folder / 'unstamped/JPEGImages').iterdir())) == 2


OTHER_LABELS = ('cyan', 'magenta', 'yellow')


def other_bundle(folder, name):
    text = DEPLOY_YAML.replace('nms_iou_threshold: 0.5', 'nms_iou_threshold: 0.25')
    return write_tiny_bundle(folder / name, deploy_yaml=text, labels=OTHER_LABELS)


def test_a_model_is_swapped_while_the_node_runs(detector, folder):
    infos = detector.listen_to_label_info()
    request = LoadModel.Request(bundle=str(other_bundle(folder, 'swapped')))
    answer = detector.call('load_model', request)
    assert answer.success and 'swapped' in answer.message
    assert labels(detector.ask(plain_image(red=255))) == {'cyan'}
    detector.wait_for(
        lambda: infos and infos[-1].class_map[0].class_name == 'cyan', 'the new label_info'
    )
    assert detector.get_parameter('bundle').string_value == request.bundle
    # What the user did not set is the new bundle's.
    assert detector.get_parameter('nms_iou_threshold').double_value == 0.25


def test_a_bundle_that_is_damaged_is_refused_and_the_old_one_goes_on(detector, folder):
    bundle = other_bundle(folder, 'damaged')
    content = bytearray((bundle / 'model.onnx').read_bytes())
    content[-1] ^= 1
    (bundle / 'model.onnx').write_bytes(bytes(content))
    answer = detector.call('load_model', LoadModel.Request(bundle=str(bundle)))
    assert not answer.success
    assert 'model.onnx: has sha256' in answer.message
    assert labels(detector.ask(plain_image(red=255))) == {'red'}
    message = detector.diagnosis('model', lambda one: one.level == one.WARN).message
    assert 'refused' in message and 'sha256' in message


@pytest.mark.parametrize(
    ('path', 'words'),
    [
        ('~nosuchuser/b', '~nosuchuser/b: '),
        ('/' + 'x' * 300, 'File name too long'),
        ('x' * 10**5, 'expected at most 4096 characters'),
    ],
)
def test_a_path_that_can_not_be_is_refused_in_words(detector, path, words):
    answer = detector.call('load_model', LoadModel.Request(bundle=path))
    assert not answer.success
    assert words in answer.message
    assert labels(detector.ask(plain_image(red=255))) == {'red'}


def test_a_model_without_the_classes_that_the_user_names_is_refused(detector, folder):
    other = other_bundle(folder, 'other_labels')
    assert detector.set_parameter('allowed_classes', ['red']).successful
    answer = detector.call('load_model', LoadModel.Request(bundle=str(other)))
    assert not answer.success
    assert 'allowed_classes.red' in answer.message


def test_the_node_answers_while_a_frame_is_processed_and_a_model_loaded(detector, folder):
    slow = write_tiny_bundle(folder / 'slow', delay_ms=patience_s(1500))
    assert detector.call('load_model', LoadModel.Request(bundle=str(slow))).success
    before = detector.statistics().frames_processed
    header = detector.send(plain_image(red=255))
    # Loading runs the slow model once, beside the frame: both take a second and more.
    future = detector.call_later('load_model', LoadModel.Request(bundle=str(slow)))
    for _ in range(5):
        assert detector.get_parameter('max_detections').integer_value == 20
    refused = detector.call('load_model', LoadModel.Request())
    assert detector.num_answers_to(header) == 0, 'the model was not slow enough for this test'
    assert not future.done()
    assert not refused.success and 'being loaded' in refused.message
    assert labels(detector.answer_to(header)) == {'red'}
    detector.wait_for(future.done, 'the model')
    assert future.result().success
    detector.wait_for(
        lambda: detector.latest_statistics().frames_processed > before,
        'the frame to be counted: what was counted before it may arrive late',
    )


def test_what_param_dump_writes_loads_back(detector, folder):
    if shutil.which('ros2') is None:
        pytest.skip('the command ros2 is not there')
    assert detector.set_parameter('ignore_polygons', ['0.2,0.4 0.4,0.4 0.3,0.6']).successful
    dump = ros2('param', 'dump', detector.detector)
    params_file = folder / 'dump.yaml'
    params_file.write_text(dump)
    assert detector.set_parameter('ignore_polygons', ['']).successful
    loaded = ros2('param', 'load', detector.detector, params_file)
    # Those of QoS are read-only, as with any node.
    failed = [line for line in loaded.splitlines() if 'failed' in line.lower()]
    assert all('read-only' in line or 'qos' in line for line in failed), loaded
    assert labels(detector.ask(plain_image(red=255, green=255))) == {'green'}


def ros2(*words):
    done = subprocess.run(
        ['ros2', *map(str, words)],
        capture_output=True,
        text=True,
        timeout=patience_s(30),
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
