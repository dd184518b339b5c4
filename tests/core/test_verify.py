"""A bundle is verified by what it gives, on the machine and backend that will serve."""

import json
from pathlib import Path

import numpy as np
import pytest

from ssd_detector import BundleError
from ssd_detector.backend_selection import BackendRequest
from ssd_detector.bundles.bundle import load_bundle
from ssd_detector.proofs.int8_parity import select_int8_outputs
from ssd_detector.proofs.parity import Parity, Tolerance, verify_backend
from ssd_detector.verify import main, verify_bundle
from tests.tiny_bundle import DEPLOY_YAML, SIZE_PX, write_tiny_bundle, write_verifiable_bundle

ONNX_RUNTIME = BackendRequest(backend='onnxruntime')


@pytest.fixture
def make(tmp_path):
    """Write the tiny bundle with what it shall give, moved by something."""

    def write(**differences):
        return write_verifiable_bundle(tmp_path / 'bundle', **differences)

    return write


def test_what_gives_the_recorded_outputs_passes(make):
    result = verify_bundle(load_bundle(make()), ONNX_RUNTIME)

    assert result.is_good
    assert str(result).startswith('PASS ONNX Runtime CPUExecutionProvider, model.onnx (FP32)')


def test_a_shifted_box_fails_with_its_shift_in_pixels(make):
    result = verify_bundle(load_bundle(make(box_shift=0.25)), ONNX_RUNTIME)

    assert not result.is_good
    assert result.box_shift_px == pytest.approx(0.25 * SIZE_PX)


def test_a_changed_score_fails(make):
    result = verify_bundle(load_bundle(make(score_change=0.125)), ONNX_RUNTIME)

    assert not result.is_good
    assert result.score_change == pytest.approx(0.125, abs=1e-5)


def test_nan_fails(make):
    assert not verify_bundle(load_bundle(make(score_change=np.nan)), ONNX_RUNTIME).is_good


class _Fixed:
    """A backend that gives what it was told."""

    description = 'fixed'

    def __init__(self, boxes, scores):
        self._outputs = boxes, scores

    def run(self, _):
        return self._outputs


def test_nan_in_a_box_that_is_not_compared_fails_too():
    num_priors = 600
    boxes = np.tile(np.float32([0.1, 0.1, 0.9, 0.9]), (num_priors, 1))
    scores = np.zeros((num_priors, 2), np.float32)
    scores[:, 1] = np.linspace(0.4, 0, num_priors)
    scores[:, 0] = 1 - scores[:, 1]
    parity = Parity(
        np.zeros((1, 32, 32, 3), np.uint8), boxes[None], scores[None], {'FP32': Tolerance(1, 1)}
    )
    moved, lost = boxes.copy(), boxes.copy()
    moved[0] += 0.5
    lost[-1] = np.nan

    verdicts = [
        verify_backend(_Fixed(changed, scores), parity, precision='FP32', path=Path('bundle'))
        for changed in (boxes, moved, lost)
    ]

    # The first prior is the best one, although the background of all others is surer.
    assert [verdict.is_good for verdict in verdicts] == [True, False, False]


def test_nan_where_int8_is_not_compared_fails_too():
    boxes = np.float32([[0.1, 0.1, 0.5, 0.5], [0.5, 0.5, 0.9, 0.9]])
    scores = np.float32([[0.1, 0.9], [0.9, 0.1]])
    parity = Parity(
        np.zeros((1, 32, 32, 3), np.uint8),
        boxes[None],
        scores[None],
        {'INT8': Tolerance(1, 1)},
        {'model_int8_cpu.onnx': select_int8_outputs(boxes[None], scores[None])},
    )
    lost_score, lost_box = scores.copy(), boxes.copy()
    lost_score[1] = lost_box[1] = np.nan

    verdicts = [
        verify_backend(_Fixed(*outputs), parity, precision='INT8', path=Path('bundle'))
        for outputs in ((boxes, scores), (boxes, lost_score), (lost_box, scores))
    ]

    assert [verdict.is_good for verdict in verdicts] == [True, False, False]


@pytest.mark.parametrize(('rank', 'is_compared'), [(0, True), (19, True), (20, False)])
def test_the_20_best_boxes_of_an_image_are_compared(rank, is_compared):
    num_priors = 30
    boxes = np.tile(np.float32([0.25, 0.25, 0.75, 0.75]), (num_priors, 1))
    foreground = np.linspace(0.9, 0.3, num_priors, dtype=np.float32)
    scores = np.stack([1 - foreground, foreground], axis=1)
    parity = Parity(
        np.zeros((1, 32, 32, 3), np.uint8), boxes[None], scores[None], {'FP32': Tolerance(1, 1)}
    )
    moved = boxes.copy()
    moved[rank, 2] = 0.875

    verdict = verify_backend(_Fixed(moved, scores), parity, precision='FP32', path=Path('bundle'))

    assert verdict.box_shift_px == (4 if is_compared else 0)


def test_of_two_int8_files_the_nearer_in_scores_is_the_one_that_is_served():
    boxes = np.float32([[0.25, 0.25, 0.5, 0.5]])
    scores = np.float32([[0.25, 0.75]])
    near = select_int8_outputs(boxes[None] + 0.125, scores[None])
    far = select_int8_outputs(boxes[None], scores[None] + np.float32([-0.125, 0.125]))
    parity = Parity(
        np.zeros((1, 32, 32, 3), np.uint8),
        boxes[None],
        scores[None],
        {'INT8': Tolerance(8, 0.2)},
        {'model_int8_cpu.onnx': far, 'model_int8_trt.onnx': near},
    )

    verdict = verify_backend(_Fixed(boxes, scores), parity, precision='INT8', path=Path('bundle'))

    assert (verdict.box_shift_px, verdict.score_change) == (4, 0)


def test_the_command_prints_the_verdict_and_exits_with_it(make, capsys):
    path = str(make(box_shift=0.25))

    assert main([path, '--backend', 'onnxruntime']) == 1
    assert 'FAIL' in capsys.readouterr().out
    assert main([path, '--backend', 'onnxruntime', '--json']) == 1
    assert json.loads(capsys.readouterr().out)['box_shift_px'] == 8


def test_a_bundle_without_parity_is_one_sentence(tmp_path, capsys):
    path = write_tiny_bundle(tmp_path / 'tiny')

    assert main([str(path)]) == 1
    assert 'parity.npz: is not in the bundle' in capsys.readouterr().err


def test_a_precision_without_tolerance_is_named(make):
    bundle = load_bundle(make(deploy_yaml=DEPLOY_YAML + '  runtime: {precision: FP16}\n'))

    with pytest.raises(BundleError, match='has no tolerance for FP16; it knows FP32'):
        verify_bundle(bundle, ONNX_RUNTIME)
