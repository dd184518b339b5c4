"""The benchmark: who takes part, who can't and why, and that figures are those of the runs."""

import json

import numpy as np
import pytest

from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.bundles.bundle import load_bundle
from ssd_training.benchmark import main
from ssd_training.benchmarking.candidates import Candidate
from ssd_training.benchmarking.timing import measure, NUM_WARM_UP, open_all, Task
from tests.libraries import require_openvino
from tests.tiny_bundle import SIZE_PX, write_tiny_bundle, write_verifiable_bundle


@pytest.fixture(scope='module')
def bundle(tmp_path_factory):
    return load_bundle(write_verifiable_bundle(tmp_path_factory.mktemp('bundles') / 'tiny'))


@pytest.fixture
def task(bundle):
    images = [np.full((20, 30, 3), (255, 0, 0), np.uint8), np.zeros((20, 30, 3), np.uint8)]
    return Task(images, SIZE_PX, 1, 1, bundle.labels, bundle.thresholds)


def candidate(name, run):
    return Candidate(name, 'model.onnx', 'FP32', False, lambda: run)


def test_every_runtime_is_timed_or_named_with_the_reason(bundle, capsys):
    require_openvino()

    assert main([str(bundle.path), '--rounds', '3', '--json']) == 0

    report = json.loads(capsys.readouterr().out)
    timed = {row['runtime']: row for row in report['timings']}
    absent = {row['runtime']: row['reason'] for row in report['absent']}
    assert {'ONNX Runtime', 'OpenVINO'} <= set(timed)
    assert timed.keys() | absent.keys() >= {'TensorRT', 'TensorFlow', 'LiteRT', 'cv2.dnn'}
    assert 'no SavedModel at' in absent['TensorFlow'] and 'tiny_build' in absent['LiteRT']
    row = timed['OpenVINO']
    assert row['num_agreed'] == row['num_expected'] == 2
    stage = row['stages_ms']['inference']
    assert 0 < stage['p50'] <= stage['p95'] <= stage['p99']


def test_the_table_says_what_auto_takes_and_what_is_fastest(bundle, capsys):
    assert main([str(bundle.path), '--rounds', '2', '--threads', '1', '2']) == 0

    text = capsys.readouterr().out
    assert 'ONNX Runtime FP32, model.onnx' in text
    for num_threads in (1, 2):
        assert f'FP32, threads {num_threads}, batch 1: fastest is ' in text
    assert 'backend auto takes ONNX Runtime, model.onnx' in text


def test_a_batch_that_a_file_does_not_take_is_a_reason(bundle, capsys):
    assert main([str(bundle.path), '--rounds', '1', '--batch_sizes', '2', '--json']) == 0

    absent = json.loads(capsys.readouterr().out)['absent']
    (reason,) = [row['reason'] for row in absent if row['runtime'] == 'ONNX Runtime']
    assert 'inference failed on (2, 32, 32, 3)' in reason


def test_a_bundle_without_photographs_is_timed_on_drawn_images(tmp_path, capsys):
    assert main([str(write_tiny_bundle(tmp_path / 'plain')), '--rounds', '1']) == 0
    assert '4 of 640x480 px' in capsys.readouterr().out


@pytest.mark.parametrize('wrong', [['--rounds', '0'], ['--threads', 'x'], ['--batch_sizes', '-1']])
def test_counts_start_at_one(bundle, wrong, capsys):
    with pytest.raises(SystemExit) as end:
        main([str(bundle.path), *wrong])
    assert end.value.code == 2 and 'is not a whole number from 1 on' in capsys.readouterr().err


def test_candidates_take_turns_and_another_begins_each_round(bundle, task):
    run = OnnxRuntimeBackend(bundle.model_path(), num_threads=1).run_batch
    order = []

    def recorder(name):
        return lambda images: order.append(name) or run(images)

    ready = [(candidate(name, None), recorder(name)) for name in 'abc']
    measure(ready, task, num_rounds=1)

    assert ''.join(order[: 3 * (NUM_WARM_UP + 1)]) == 'abcbcacababcbcacab'


def test_the_percentiles_are_those_of_the_durations(bundle, task, monkeypatch):
    run = OnnxRuntimeBackend(bundle.model_path(), num_threads=1).run_batch
    # Of one candidate: four marks a round, inference takes 1 ms more each round.
    marks_ns = [
        mark
        for number in range(NUM_WARM_UP + 101)
        for mark in (0, 10**6, (2 + number - NUM_WARM_UP) * 10**6, (3 + number) * 10**6)
    ]
    monkeypatch.setattr('time.perf_counter_ns', iter(marks_ns).__next__)

    (timing,) = measure([(candidate('a', None), run)], task, num_rounds=101)

    assert timing.stages_ms['inference'] == pytest.approx((51, 96, 100))
    assert timing.stages_ms['preprocess'][0] == 1


def test_other_boxes_do_not_count_as_the_same(bundle, task):
    run = OnnxRuntimeBackend(bundle.model_path(), num_threads=1).run_batch

    def shifted(images):
        boxes, scores = run(images)
        return boxes + 0.3, scores

    ready = [(candidate('a', None), run), (candidate('b', None), shifted)]
    _, other = measure(ready, task, num_rounds=1)

    assert (other.num_agreed, other.num_expected) == (0, 1)


def test_one_that_fails_does_not_end_the_others():
    def fail(images):
        raise RuntimeError('first line\nsecond')

    ready, absent = open_all(
        [candidate('a', fail), candidate('b', lambda images: (images, images))],
        np.zeros((1, 2, 2, 3), np.float32),
    )

    assert [opened.runtime for opened, _ in ready] == ['b']
    assert list(absent.values()) == ['first line second']
