"""compare_bags: agreement, flicker and latency without ground truth, the bootstrap with it."""

import json
import os
import sys

from hypothesis import given
from hypothesis import strategies as st
import numpy as np
import pytest

from ssd_detector import Detections
from ssd_detector_ros.bag_evaluation.comparing.agreement import (
    compare_frame,
    compare_latency,
    sum_up,
)
from ssd_detector_ros.bag_evaluation.comparing.tracking import measure_steadiness
from ssd_detector_ros.check_detector import main as check
from ssd_detector_ros.compare_bags import main
from ssd_detector_ros.evaluate_bag import main as evaluate
from tests.bags.scenery import write_colored
from tests.bags.test_published import TOPIC, write_published
from tests.strategies import boxes_xyxy
from tests.tiny_bundle import write_tiny_bundle


def found(*boxes, label='cat'):
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4),
        np.full(len(boxes), 0.9, np.float32),
        np.ones(len(boxes), np.int64),
        [label] * len(boxes),
    )


BOX = (10.0, 10.0, 50.0, 50.0)
FAR = (100.0, 100.0, 150.0, 150.0)


@given(boxes_xyxy(scale=100))
def test_a_detector_agrees_with_itself(boxes):
    boxes = boxes[np.all(boxes[:, 2:] > boxes[:, :2], axis=1)]
    frame = compare_frame('one', found(*boxes), found(*boxes))

    assert sum_up([frame]).f1 == 1
    assert frame.num_different == 0


@given(boxes_xyxy(scale=100), boxes_xyxy(scale=100))
def test_agreement_does_not_depend_on_who_is_first(first, second):
    frames = [
        compare_frame('one', found(*a), found(*b)) for a, b in ((first, second), (second, first))
    ]
    there, back = (sum_up([frame]) for frame in frames)

    assert there.f1 == back.f1
    assert (there.num_only_first, there.num_only_second) == (
        back.num_only_second,
        back.num_only_first,
    )


def test_boxes_of_another_label_or_place_are_only_in_one():
    frame = compare_frame('one', found(BOX, FAR), found(BOX))
    other = compare_frame('two', found(BOX), found(BOX, label='dog'))

    agreement = sum_up([frame, other])

    assert agreement.by_label == {'cat': (1, 2, 0), 'dog': (0, 0, 1)}
    assert agreement.f1 == pytest.approx(2 / 5)


def test_what_vanishes_for_less_than_n_frames_flickers_and_is_one_object():
    gap = [found(BOX)] * 3 + [found()] * 2 + [found(BOX)] * 3

    short = measure_steadiness(gap, flicker_frames=3)
    long = measure_steadiness(gap, flicker_frames=2)

    assert (short.num_objects, short.num_flickers, short.num_lost) == (1, 1, 0)
    assert (long.num_objects, long.num_flickers, long.num_new, long.num_lost) == (2, 0, 1, 1)


def test_a_moving_object_is_one_and_a_new_one_is_told():
    frames = [
        found((10 + 5 * i, 10, 50 + 5 * i, 50), *([FAR] if i > 4 else [])) for i in range(10)
    ]

    steadiness = measure_steadiness(frames, flicker_frames=3)

    assert (steadiness.num_objects, steadiness.num_new, steadiness.num_flickers) == (2, 1, 0)


@given(st.floats(-20, 20))
def test_the_interval_of_latency_holds_a_constant_difference(difference):
    first = {str(i): float(i) for i in range(20)}
    second = {name: time + difference for name, time in first.items()}

    one = compare_latency(first, second)

    assert one.low_ms == pytest.approx(difference) == one.high_ms
    assert compare_latency(first, {}) is None


def test_two_results_of_one_recording_are_compared_with_the_bootstrap(tmp_path, capsys):
    bundle = write_tiny_bundle(tmp_path / 'tiny')
    bag = write_colored(tmp_path / 'bag')
    for name, threshold in (('a', 0.01), ('b', 1.0)):
        arguments = [bag, '--bundle', bundle, '--output', tmp_path / name]
        evaluate([*map(str, arguments), '--score_threshold', str(threshold)])

    code = main([str(tmp_path / 'a'), str(tmp_path / 'b'), '--output', str(tmp_path / 'out')])

    assert code == 0
    tree = json.loads((tmp_path / 'out/result.json').read_text())
    assert tree['agreement']['f1'] == 1
    assert tree['labelled']['mean_ap']['first'] == pytest.approx(1)
    assert 'A and B find the same' in capsys.readouterr().out
    assert '100.0 % agreement' in (tmp_path / 'out/report.html').read_text()


def test_results_with_other_class_lists_agree_or_not_and_say_why_map_is_missing(tmp_path, capsys):
    bag = write_colored(tmp_path / 'bag', (0, 2))
    for name, labels in (('a', ('red', 'green', 'blue')), ('b', ('red', 'lime', 'blue'))):
        bundle = write_tiny_bundle(tmp_path / f'bundle_{name}', labels=labels)
        evaluate([str(bag), '--bundle', str(bundle), '--output', str(tmp_path / name)])

    assert main([str(tmp_path / 'a'), str(tmp_path / 'b')]) == 0
    out = capsys.readouterr().out
    assert 'agreement 100.0 %' in out and 'no comparison of mAP: labels: red' in out


def test_a_bundle_and_another_are_compared_without_labels(tmp_path):
    bundles = [
        write_tiny_bundle(tmp_path / 'one'),
        write_tiny_bundle(tmp_path / 'other', labels=('red', 'lime', 'blue')),
    ]
    bag = write_colored(tmp_path / 'bag', boxes=False)

    arguments = [*map(str, bundles), '--bag', str(bag), '--output', str(tmp_path / 'out')]
    assert main(arguments) == 0

    tree = json.loads((tmp_path / 'out/result.json').read_text())
    assert (tree['labelled'], tree['latency_ms']['num_frames']) == (None, 6)
    assert tree['agreement']['by_label'] == {
        'blue': [2, 0, 0],
        'green': [0, 2, 0],
        'lime': [0, 0, 2],
        'red': [2, 0, 0],
    }
    page = (tmp_path / 'out/report.html').read_text()
    assert 'Where they differ most' in page and 'only in A, 1 only in B' in page


def test_two_topics_of_one_recording_are_compared(tmp_path, capsys):
    bag = write_published(tmp_path / 'bag', truth=False)

    assert main([TOPIC, TOPIC, '--bag', str(bag)]) == 0
    assert 'agreement 100.0 %' in capsys.readouterr().out


@pytest.mark.parametrize('command', ['compare_bags', 'check_detector'])
def test_files_are_written_although_nobody_reads_what_is_printed(command, tmp_path, monkeypatch):
    bag, output = write_published(tmp_path / 'bag', truth=False), tmp_path / 'out'
    reading, writing = os.pipe()
    os.close(reading)
    with open(writing, 'w', buffering=1) as unread:
        monkeypatch.setattr(sys, 'stdout', unread)
        if command == 'compare_bags':
            code = main([TOPIC, TOPIC, '--bag', str(bag), '--output', str(output)])
        else:
            code = check([str(bag), '--output', str(output)])

    assert code == 0
    assert [*output.glob('*.json')]


@pytest.mark.parametrize(
    ('sides', 'expected'),
    [
        (['/a/detections', '/b/detections'], '/a/detections: a topic needs a recording: --bag'),
        (['.', '.'], 'neither a folder of evaluate_bag --output nor a bundle'),
    ],
)
def test_sides_that_are_none_are_refused_in_words(sides, expected, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    assert main(sides) == 2
    assert expected in capsys.readouterr().err


def test_a_damaged_result_is_refused_in_words(tmp_path, capsys):
    (tmp_path / 'result.json').write_text('{}')
    (tmp_path / 'ground_truth.json').write_text('{}')

    assert main([str(tmp_path), str(tmp_path)]) == 1
    assert 'is no result of this version' in capsys.readouterr().err
