"""A bundle is verified by what it gives, on the machine and backend that will serve."""

import json

import numpy as np
import pytest

from ssd_detector import BundleError
from ssd_detector.backends.selection import BackendRequest
from ssd_detector.bundle import load_bundle
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
