"""What is said of speed, ages and losses, of figures that the test makes."""

import pytest
from rclpy.qos import QoSProfile, ReliabilityPolicy

from ssd_detector_ros.cameras.camera import Camera
from ssd_detector_ros.cameras.camera_names import CameraName
from ssd_detector_ros.cameras.losses import advise, choose_reliability
from ssd_detector_ros.cameras.offers import Offer
from ssd_detector_ros.cameras.transports import RAW
from ssd_detector_ros.health.camera_watch import judge_images
from ssd_detector_ros.health.diagnostics import judge_speed, OK, Verdict, WARN
from ssd_detector_ros.timing.statistics import STAGES, Statistics


def offer(name, *, is_reliable):
    return Offer(name, RAW.message_type, '', misfit='', is_reliable=is_reliable)


@pytest.mark.parametrize(
    ('are_reliable', 'is_lossy', 'chosen'),
    [
        ((True, True), True, ReliabilityPolicy.RELIABLE),
        ((True, True), False, ReliabilityPolicy.BEST_EFFORT),
        ((True, False), True, ReliabilityPolicy.BEST_EFFORT),
        ((), True, ReliabilityPolicy.BEST_EFFORT),
    ],
)
def test_reliability_is_asked_for_where_all_offer_it_and_images_were_lost(
    are_reliable, is_lossy, chosen
):
    offers = [offer('/camera', is_reliable=is_reliable) for is_reliable in are_reliable]
    assert choose_reliability(offers, is_lossy=is_lossy) == chosen


def test_a_user_who_chose_best_effort_is_told_the_parameter_that_helps():
    best_effort = QoSProfile(depth=1, reliability=ReliabilityPolicy.BEST_EFFORT)
    advice = advise('/image', best_effort, [offer('/front/camera', is_reliable=True)])
    assert 'set qos_overrides./image.subscription.reliability to reliable' in advice
    assert '/front/camera' in advice and 'fastdds_images.xml' in advice
    assert 'reliab' not in advise('/image', best_effort, [offer('/a', is_reliable=False)])
    assert 'reliab' not in advise('/image', QoSProfile(depth=1), [offer('/a', is_reliable=True)])


def camera_that(**known):
    name = CameraName(given='i', topic='/i', prefix='~', other_given='o', other_topic='/o')
    camera = Camera(0, name, None)
    for field, value in known.items():
        setattr(camera, field, value)
    return camera


@pytest.mark.parametrize(
    ('known', 'options', 'words'),
    [
        # Streams so large that no image comes through, and one that does now and then.
        ({'num_lost': 21}, {'new_lost': 0}, '21 images on /i were lost on the way; ADVICE'),
        ({'num_lost': 9, 'last_received_s': 0.0}, {'new_lost': 9}, '9 images on /i were lost'),
        ({'num_lost': 9, 'last_received_s': 0.0}, {'new_lost': 0, 'is_lossy': True}, 'ADVICE'),
        (
            {'num_lost': 9, 'last_received_s': 0.0},
            {'new_lost': 0},
            'stale: nothing on /i for 10 s',
        ),
    ],
)
def test_losses_are_told_also_when_nothing_arrives(known, options, words):
    verdict = judge_images(camera_that(**known), now_s=10.0, advice='ADVICE', **options)
    assert words in verdict.message and verdict.level != OK
    # What keeps images from being lost is no advice where none was.
    assert ('ADVICE' in verdict.message) == ('stale' not in words)


def test_a_verdict_becomes_a_status_of_its_part():
    status = Verdict(WARN, 'slow', {'rate, Hz': 5}).to_status('node: speed', 'robot')
    assert (status.level, status.message) == (WARN, 'slow')
    assert (status.name, status.hardware_id) == ('node: speed', 'robot')
    assert [(pair.key, pair.value) for pair in status.values] == [('rate, Hz', '5')]


def report(*, received, processed, drops, age_ms=10.0, too_old_ms=(), period_s=1.0):
    now_s = [0.0]
    statistics = Statistics(1, clock=lambda: now_s[0])
    for _ in range(received):
        statistics.count_received()
    for _ in range(processed):
        statistics.count_processed(
            dict.fromkeys(STAGES, 1.0), ages_ms=dict.fromkeys(('receive', *STAGES), age_ms)
        )
    for reason, count in drops.items():
        for _ in range(count):
            statistics.count_drop(reason)
    for age_on_arrival_ms in too_old_ms:
        statistics.count_too_old(age_on_arrival_ms, is_late_arrival=age_on_arrival_ms > 200)
    now_s[0] = period_s
    return statistics.end_period()


@pytest.mark.parametrize(
    ('figures', 'level', 'words'),
    [
        ({'received': 30, 'processed': 30, 'drops': {}}, OK, 'keeps up'),
        ({'received': 30, 'processed': 28, 'drops': {'superseded': 2}}, OK, 'keeps up'),
        ({'received': 30, 'processed': 15, 'drops': {'superseded': 15}}, WARN, '15.0 of 30.0 Hz'),
        ({'received': 30, 'processed': 15, 'drops': {'rate_limit': 15}}, OK, 'keeps up'),
        ({'received': 0, 'processed': 0, 'drops': {}}, OK, 'no image came'),
        ({'received': 3, 'processed': 3, 'drops': {}, 'age_ms': 9e6}, WARN, 'use_sim_time'),
        ({'received': 3, 'processed': 3, 'drops': {}, 'age_ms': -5e3}, WARN, 'chrony'),
        ({'received': 3, 'processed': 0, 'drops': {}, 'too_old_ms': [9e8] * 3}, WARN, 'chrony'),
        ({'received': 9, 'processed': 0, 'drops': {}, 'too_old_ms': [5] * 9}, WARN, '0.0 of 9.0'),
        (
            {'received': 9, 'processed': 9, 'drops': {}, 'age_ms': 1e4},
            WARN,
            '10.0 s old when they',
        ),
        ({'received': 9, 'processed': 0, 'drops': {}, 'too_old_ms': [1e4] * 9}, WARN, '9 of them'),
        ({'received': 9, 'processed': 6, 'drops': {}, 'too_old_ms': [300] * 3}, WARN, '0.3 s old'),
        ({'received': 9, 'processed': 0, 'drops': {'bad_image': 9}}, OK, 'dropped: bad_image 9'),
    ],
)
def test_the_detector_is_compared_with_its_camera(figures, level, words):
    verdict = judge_speed(report(**figures))
    assert verdict.level == level
    assert words in verdict.message


@pytest.mark.parametrize('age_ms', [1e4, 9e8])
def test_frames_that_arrive_too_old_are_no_slow_detector(age_ms):
    verdict = judge_speed(report(received=3, processed=0, drops={}, too_old_ms=[age_ms] * 3))
    assert verdict.level == WARN and 'slower' not in verdict.message
    drops = {'superseded': 3}
    both = judge_speed(report(received=9, processed=3, drops=drops, too_old_ms=[age_ms] * 3))
    assert 'slower than the camera' in both.message and 'old' in both.message


@pytest.mark.parametrize(
    ('age_ms', 'words'),
    [
        (-1000.0, 'keeps up'),
        (-1000.5, 'use_sim_time'),
        (999.5, 'keeps up'),
        (1000.0, 'old when they arrive'),
        (3_600_000.0, 'old when they arrive'),
        (3_600_000.5, 'old by the clock of this node'),
    ],
)
def test_an_age_is_odd_from_a_second_on_and_another_clock_from_an_hour(age_ms, words):
    assert words in judge_speed(report(received=3, processed=3, drops={}, age_ms=age_ms)).message


@pytest.mark.parametrize('period_s', [0.5, 1.0, 2.0])
@pytest.mark.parametrize(('num_late', 'level'), [(1, OK), (2, WARN)])
def test_more_than_a_tenth_late_is_a_trend(num_late, level, period_s):
    drops = {'superseded': num_late}
    figures = report(received=10, processed=10 - num_late, drops=drops, period_s=period_s)
    assert judge_speed(figures).level == level


def test_a_few_old_images_are_no_finding():
    statistics = Statistics(1)
    for age_ms in (10.0,) * 9 + (5000.0,) * 3:
        statistics.count_received()
        ages_ms = dict.fromkeys(('receive', *STAGES), age_ms)
        statistics.count_processed(dict.fromkeys(STAGES, 1.0), ages_ms=ages_ms)
    assert judge_speed(statistics.end_period()).level == OK


def test_a_simulation_without_a_clock_is_told_before_all_else():
    verdict = judge_speed(report(received=3, processed=3, drops={}, age_ms=9e9), lacks_clock=True)
    assert verdict.level == WARN
    assert verdict.message.startswith('use_sim_time is set, but no time has come on /clock')


def test_frames_per_inference_are_shown_where_there_was_one():
    statistics = Statistics(1)
    assert 'frames per inference' not in judge_speed(statistics.end_period()).values
    for num_frames in (1, 4):
        statistics.count_inference(num_frames)
    assert judge_speed(statistics.end_period()).values['frames per inference'] == '2.50'


def test_the_figures_shown_are_medians_and_ages_only_where_there_are_stamps():
    statistics = Statistics(1)
    for value_ms in map(float, range(101)):
        statistics.count_received()
        statistics.count_processed(
            dict.fromkeys(STAGES, value_ms), ages_ms=dict.fromkeys(('receive', *STAGES), value_ms)
        )
    values = judge_speed(statistics.end_period()).values
    names = ('latency p50, ms', 'inference p50, ms', 'age at publication p50, ms')
    assert [values[name] for name in names] == ['50.0'] * 3
    statistics.count_received()
    statistics.count_processed(dict.fromkeys(STAGES, 1.0))
    assert names[2] not in judge_speed(statistics.end_period()).values
