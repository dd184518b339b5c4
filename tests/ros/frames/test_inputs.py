"""Where images come from: compressed, several cameras, remapped, faster than the detector."""

import pytest
from rclpy.qos import QoSProfile
from vision_msgs.msg import Detection2DArray

from ssd_msgs.srv import LoadModel
from tests.patience import patience_s
from tests.ros.made_images import broken, compressed_image, plain_image
from tests.ros.processes import detector_command, running
from tests.ros.talking import peer
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture(scope='module')
def slow_bundle(tmp_path_factory):
    """Give a bundle whose inference takes some 30 ms or more."""
    return write_tiny_bundle(tmp_path_factory.mktemp('bundles') / 'slow', delay_ms=40)


def labels(answer):
    return [detection.results[0].hypothesis.class_id for detection in answer.detections]


def test_compressed_images_of_several_remapped_cameras_are_answered_each_apart(bundle, tmp_path):
    command = detector_command(
        'test_cameras',
        bundle=bundle,
        image_topics="['front', '/rear/image']",
        image_transport='compressed',
    )
    command += ['-r', 'front:=/vehicle/front/image_raw']
    front = '/vehicle/front/image_raw/compressed'
    with running(command, tmp_path / 'log'), peer('test_cameras', is_reader=False) as one:
        for topic in ('front/detections', 'rear/image/detections'):
            one.hear(topic)
        for topic in (front, '/rear/image/compressed'):
            one.establish(compressed_image(), topic=topic)
        header = one.send(compressed_image(red=255), topic=front)
        other_header = one.send(compressed_image(), topic='/rear/image/compressed')
        assert labels(one.answer_to(header)) == ['red']
        assert labels(one.answer_to(other_header)) == []
        assert list(one.statistics().cameras) == [front, '/rear/image/compressed']


def test_cameras_take_turns_and_a_slow_detector_says_so(tmp_path):
    # So slow that frames of all cameras wait, however busy the sender of these is.
    slow = write_tiny_bundle(tmp_path / 'slow', delay_ms=patience_s(120))
    topics = ['left', 'middle', 'right']
    command = detector_command('test_turns', bundle=slow, image_topics=topics)
    with running(command, tmp_path / 'log'), peer('test_turns') as one:
        for topic in topics:
            one.wait_for(one.publisher(topic).get_subscription_count, topic)
        # One camera sends three times as often; all are served alike once all are heard.
        before: list[int] = []

        def send_and_count():
            for topic in ('left', 'left', *topics):
                one.send(plain_image(), topic=topic)
            counts = list(one.latest_statistics().camera_processed)
            if not before and counts and min(counts) > 0:
                before.extend(counts)
            return bool(before) and sum(counts) - sum(before) >= 24

        one.wait_for(send_and_count, '24 frames processed once all cameras are heard')
        latest = one.latest_statistics().camera_processed
        counts = [count - earlier for count, earlier in zip(latest, before, strict=True)]
        assert max(counts) - min(counts) <= 3
        speed = one.diagnosis('speed', lambda status: 'slower than the camera' in status.message)
        assert 'max_rate_hz' in speed.message and 'INT8' in speed.message
        assert 'superseded' in one.latest_statistics().drop_reasons


@pytest.fixture(scope='module')
def batch_bundle(tmp_path_factory):
    """Give a slow bundle that takes any number of images at once."""
    folder = tmp_path_factory.mktemp('bundles') / 'batch'
    return write_tiny_bundle(folder, delay_ms=40, takes_batches=True)


def frames_per_inference(status):
    values = {pair.key: pair.value for pair in status.values}
    return float(values.get('frames per inference', 0))


def test_frames_that_wait_together_are_processed_together_and_answered_each_apart(
    batch_bundle, bundle, tmp_path
):
    pixels = {color: {color: 255} for color in ('red', 'green', 'blue')}
    command = detector_command(
        'test_batch',
        bundle=batch_bundle,
        image_topics=[*pixels],
        max_batch_size=3,
        drop_policy='keep_all',
        # All wait: with few places those that go would often be just the bad ones.
        queue_size=1000,
    )
    with running(command, tmp_path / 'log'), peer('test_batch', is_reader=False) as one:
        answers = {
            color: one.listen(Detection2DArray, f'{color}/detections', QoSProfile(depth=10))
            for color in pixels
        }

        def send_all():
            one.send(broken(data=b'1234'), topic='green')
            for color, red_green_blue in pixels.items():
                one.send(plain_image(**red_green_blue), topic=color)

        one.node.create_timer(0.02, send_all)
        speed = one.diagnosis('speed', lambda status: frames_per_inference(status) > 1.5)
        assert frames_per_inference(speed) <= 3
        assert one.num_dropped('bad_image') > 0
        for color, messages in answers.items():
            assert {tuple(labels(message)) for message in messages} == {(color,)}
        # A model of one image is refused, and this one goes on.
        refusal = one.call('load_model', LoadModel.Request(bundle=str(bundle)))
        assert not refusal.success
        assert 'max_batch_size: received 3; expected 1' in refusal.message


BAD_FRAMES = [
    broken(encoding='h264'),
    broken(data=b'1234'),
    broken(step=100),
    broken(height=0, width=0),
]


def test_keep_all_answers_a_burst_in_order_and_counts_its_bad_frames(slow_bundle, tmp_path):
    command = detector_command('test_keep', bundle=slow_bundle, drop_policy='keep_all')
    with running(command, tmp_path / 'log'), peer('test_keep') as one:
        one.wait_until_active()
        headers = []
        for bad_frame in BAD_FRAMES:
            headers += [one.send(plain_image()), one.send(plain_image())]
            one.send(bad_frame)
        headers.append(one.send(plain_image()))
        one.answer_to(headers[-1])
        assert one.answered_since(headers[0]) == headers
        assert one.num_dropped('bad_image') == len(BAD_FRAMES)


def test_max_age_drops_what_is_too_old_when_its_turn_comes(slow_bundle, tmp_path):
    command = detector_command(
        'test_age', bundle=slow_bundle, drop_policy='max_age', max_age_ms=5000.0
    )
    with running(command, tmp_path / 'log'), peer('test_age') as one:
        one.establish(plain_image(), age_s=0.0)
        headers = [one.send(plain_image(), age_s=age_s) for age_s in (0.0, 60.0, 0.0)]
        one.answer_to(headers[-1])
        assert [one.num_answers_to(header) for header in headers] == [1, 0, 1]
        assert one.num_dropped('too_old') == 1
        latest = one.latest_statistics()
        ages_ms = dict(zip(latest.milestones, latest.age_p50_ms, strict=True))
        assert list(ages_ms) == [
            'receive',
            'convert',
            'preprocess',
            'infer',
            'postprocess',
            'publish',
        ]
        assert 0 < ages_ms['receive'] < ages_ms['publish'] < 5000


def test_with_only_if_subscribed_frames_that_nobody_hears_of_are_not_processed(bundle, tmp_path):
    command = detector_command('test_lazy', bundle=bundle, only_if_subscribed='true')
    with running(command, tmp_path / 'log'), peer('test_lazy', is_reader=False) as one:
        one.wait_for(one.publisher().get_subscription_count, 'the node to subscribe')
        one.wait_for_drop('nobody_listens', lambda: one.send(plain_image()))
        assert one.latest_statistics().frames_processed == 0
        one.hear('detections')
        one.establish(plain_image())
