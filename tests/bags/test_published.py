"""evaluate_bag, mode score: detections that somebody published, in his own words and time."""

import json

import numpy as np
import pytest

from ssd_detector_ros.bag_evaluation.making.bag_writing import BagWriter, Box, Stamp
from ssd_detector_ros.bag_evaluation.making.making import START_NS
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene
from ssd_detector_ros.bag_evaluation.making.virtual_camera import film, VirtualCamera
from ssd_detector_ros.bag_evaluation.scoring.association import associate
from ssd_detector_ros.evaluate_bag import main
from tests.bags.scenery import colored_scene
from tests.tiny_bundle import LABELS

PERIOD_NS = 100_000_000
TOPIC = '/detector/detections'


def write_published(
    path,
    *,
    class_ids=LABELS,
    delay_ms=10,
    unanswered=(),
    clock_shift_ns=0,
    shift_px=0.0,
    label_info=False,
    truth=True,
):
    """Write coloured frames and what a node said of them, some time later."""
    with BagWriter(path) as writer:
        if label_info:
            writer.write_labels('/detector/label_info', LABELS, Stamp(START_NS))
        for index in range(12):
            scene, stamp = colored_scene(index % 3), Stamp(START_NS + index * PERIOD_NS)
            (box,) = scene.objects.boxes_xyxy.tolist()
            time_ns = stamp.time_ns + clock_shift_ns
            writer.write_image('/image', scene.load(), stamp, time_ns=time_ns)
            if truth:
                truth_box = Box(scene.objects.labels[0], 1, tuple(box))
                writer.write_boxes('/ground_truth', [truth_box], stamp)
            if index not in unanswered:
                found = Box(class_ids[index % 3], 0.9, tuple(edge + shift_px for edge in box))
                writer.write_boxes(TOPIC, [found], stamp, time_ns=time_ns + round(delay_ms * 1e6))
    return path


def score(path, folder, *options, code=0):
    arguments = [str(path), '--mode', 'score', '--detections', TOPIC, '--output', str(folder)]
    assert main([*arguments, *map(str, options)]) == code
    return json.loads((folder / 'result.json').read_text())


def test_detections_of_any_node_are_scored_with_their_latency(tmp_path):
    result = score(write_published(tmp_path / 'bag', delay_ms=30), tmp_path)

    assert result['mean_ap'] == pytest.approx(1)
    assert result['answer_ms']['p50_ms'] == 30
    assert (result['mode'], result['frames_answered']) == ('score', 12)


def test_detections_topic_alone_means_mode_score(tmp_path, capsys):
    path = write_published(tmp_path / 'bag')

    assert main([str(path), '--detections', TOPIC]) == 0
    assert 'image to answer' in capsys.readouterr().out


def test_frames_without_an_answer_count_for_all_and_not_for_the_answered(tmp_path):
    result = score(write_published(tmp_path / 'bag', unanswered=(0, 1, 2, 3, 4, 5)), tmp_path)

    assert result['mean_ap_answered'] == pytest.approx(1)
    assert result['mean_ap'] < 0.6
    assert result['frames_answered'] == 6


def test_a_gate_on_drops_counts_frames_without_an_answer(tmp_path):
    path = write_published(tmp_path / 'bag', unanswered=(3,))

    score(path, tmp_path, '--max_drop_rate', 0.05, code=1)
    score(path, tmp_path, '--max_drop_rate', 0.1)


def test_late_answers_are_scored_against_what_the_world_has_become(tmp_path):
    # Each frame has another colour than the one before it.
    result = score(write_published(tmp_path / 'bag'), tmp_path)['streaming']

    assert result['ap'] == pytest.approx(1)
    assert result['sap'] == 0
    assert (result['num_misses'], result['predecessor_share']) == (1, pytest.approx(11 / 12))


def test_a_hidden_delay_of_100_ms_loses_streaming_ap_on_a_moving_scene_and_no_ap(tmp_path):
    objects = Objects(np.array([[160.0, 40, 220, 80]]), ('red',), np.array([False]))
    scene = Scene('wide', lambda: np.zeros((120, 400, 3), np.uint8), objects)
    camera = VirtualCamera('pan', 200, (240, 100), rate_hz=20, seconds=2)
    for name, delay_ms in (('fast', 1), ('slow', 101)):
        with BagWriter(tmp_path / name) as writer:
            for index, frame in enumerate(film(scene, camera)):
                stamp = Stamp(START_NS + index * PERIOD_NS // 2)
                # 10 px a frame; the box has 60.
                box = tuple(frame.objects.boxes_xyxy[0].tolist())
                writer.write_image('/image', frame.load(), stamp)
                writer.write_boxes('/ground_truth', [Box('red', 1, box)], stamp)
                time_ns = stamp.time_ns + delay_ms * 1_000_000
                writer.write_boxes(TOPIC, [Box('red', 0.9, box)], stamp, time_ns=time_ns)

    fast, slow = (score(tmp_path / name, tmp_path / name) for name in ('fast', 'slow'))

    assert fast['mean_ap'] == slow['mean_ap'] == pytest.approx(1)
    assert fast['streaming']['sap'] > 0.8
    assert slow['streaming']['sap'] < fast['streaming']['sap'] - 0.2
    assert slow['streaming']['mean_lag_frames'] == 3


def test_recorders_of_another_clock_are_told_and_their_times_moved(tmp_path):
    paths = [tmp_path / 'one_clock', tmp_path / 'two_clocks']
    for path, shift_ns in zip(paths, (0, -START_NS), strict=True):
        write_published(path, delay_ms=130, clock_shift_ns=shift_ns)

    one_clock, two_clocks = (score(path, path) for path in paths)

    assert one_clock['streaming'] == two_clocks['streaming']
    assert one_clock['streaming']['mean_lag_frames'] == 2
    assert 'so of two clocks' in two_clocks['notes'][0]


@pytest.mark.parametrize(
    ('class_ids', 'how'),
    [
        (('1', '2', '3'), 'label_info'),
        (('1', '2', '3'), 'labels'),
        (('7', 'vert', 'b'), 'class_map'),
    ],
)
def test_class_ids_are_resolved_by_label_info_labels_or_class_map(class_ids, how, tmp_path):
    path = write_published(tmp_path / 'bag', class_ids=class_ids, label_info=how == 'label_info')
    (tmp_path / 'labels').write_text('\n'.join(LABELS))
    (tmp_path / 'class_map').write_text('7: red\nvert: green\nb: blue\n')
    options = [] if how == 'label_info' else [f'--{how}', tmp_path / how]

    assert score(path, tmp_path, *options)['mean_ap'] == pytest.approx(1)


def test_classes_that_nobody_explains_are_refused_with_the_way_out(tmp_path, capsys):
    path = write_published(tmp_path / 'bag', class_ids=('1', '2', '3'))

    assert main([str(path), '--detections', TOPIC]) == 1
    assert "classes that are not scored: '1', '2', '3'" in capsys.readouterr().err


def test_a_number_as_raw_byte_is_recognized(tmp_path, capsys):
    path = write_published(tmp_path / 'bag', class_ids=('\x01', '\x02', '\x03'))

    assert main([str(path), '--detections', TOPIC]) == 1
    assert 'each is one raw byte' in capsys.readouterr().err


def test_boxes_that_leave_the_image_are_clipped_and_counted(tmp_path):
    result = score(write_published(tmp_path / 'bag', shift_px=5.0), tmp_path)

    assert result['counts']['boxes that leave the image, clipped'] > 0


def test_without_ground_truth_there_is_latency_and_no_map(tmp_path):
    result = score(write_published(tmp_path / 'bag', truth=False), tmp_path)

    assert result['mean_ap'] is None
    assert result['answer_ms']['count'] == 12


def test_a_topic_that_is_not_there_is_refused_with_the_nearest_name(tmp_path, capsys):
    path = write_published(tmp_path / 'bag')

    assert main([str(path), '--mode', 'score', '--detections', '/detector/detection']) == 1
    assert 'did you mean /detector/detections?' in capsys.readouterr().err
    assert main([str(path), '--mode', 'score']) == 2


def test_detections_without_images_are_refused_in_words(tmp_path, capsys):
    with BagWriter(tmp_path / 'bag') as writer:
        writer.write_boxes(TOPIC, [], Stamp(START_NS))

    assert main([str(tmp_path / 'bag'), '--detections', TOPIC]) == 1
    assert 'no topic of images; the recording has /detector/detections' in capsys.readouterr().err


def test_coco_files_hold_every_box_and_object(tmp_path):
    score(write_published(tmp_path / 'bag'), tmp_path)

    found = json.loads((tmp_path / 'detections.json').read_text())
    truth = json.loads((tmp_path / 'ground_truth.json').read_text())
    assert (len(found), len(truth['annotations']), len(truth['images'])) == (12, 12, 12)
    assert found[0]['bbox'] == pytest.approx(truth['annotations'][0]['bbox'])


def test_the_nearest_stamps_match_first_and_each_only_once():
    pairs = associate([0, 10, 20], [9, 11, 100], tolerance_ns=5)

    assert pairs.pairs == ((1, 0),)
    assert (pairs.first_alone, pairs.second_alone) == ((0, 2), (1, 2))
    assert associate([], [1], tolerance_ns=1).second_alone == (0,)
    assert associate([5], [], tolerance_ns=1).first_alone == (0,)
    many = np.arange(1000) * 10
    assert associate(many.tolist(), (many + 1).tolist(), tolerance_ns=2).pairs == tuple(
        (i, i) for i in range(1000)
    )
