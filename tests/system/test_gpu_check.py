"""The GPU check, on stand-ins: it runs to its end, and says what failed."""

import json
import os
from pathlib import Path
import subprocess
import sys

import pytest

from ssd_detector.backends.tensorrt.cuda import find_gpu
from tests.standing_in import stand_in_environment, STAND_INS
from tests.tiny_bundle import write_verifiable_bundle
from tools.gpu_check.gpu_check import main, make_environment, run_part

PROGRAM = Path(__file__).parents[2] / 'tools/gpu_check/gpu_check.py'
ON_STAND_INS = ('machine', 'engine_fp32', 'swap', 'other_gpu', 'memory')


@pytest.fixture
def bundle_path(tmp_path):
    return write_verifiable_bundle(tmp_path / 'tiny')


def read(folder):
    return json.loads((folder / 'gpu_check.json').read_text(encoding='utf-8'))


def test_every_part_that_a_stand_in_can_show_passes(bundle_path, tmp_path):
    environment = {
        **os.environ,
        **stand_in_environment(tmp_path),
        'PYTHONPATH': os.pathsep.join([str(STAND_INS), os.environ.get('PYTHONPATH', '')]),
        'SSD_GPU_CHECK_PIECES': '2',
    }
    words = ['--bundle', bundle_path, '--out', tmp_path / 'out', '--parts', *ON_STAND_INS]
    done = subprocess.run(
        [sys.executable, PROGRAM, *words],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    report = read(tmp_path / 'out')
    assert {name: outcome['verdict'] for name, outcome in report.items()} == dict.fromkeys(
        ON_STAND_INS, 'passed'
    )
    assert report['machine']['found']['GPU'] == 'Stand-in'
    for way in ('launched', 'CUDA graph'):
        assert report['engine_fp32']['found'][f'{way}: verify'] == 'PASS'
        assert report['engine_fp32']['found'][f'{way}: detector p95, ms'] > 0
    assert 'TensorRT engine built' in report['swap']['found']['said']
    assert 'the GPU was Another; it is Stand-in now' in report['other_gpu']['found']['said']
    assert report['memory']['found']['build after that'] == 'built'
    table = (tmp_path / 'out/gpu_check.md').read_text(encoding='utf-8').splitlines()
    assert sum(line.startswith('| **') for line in table) == len(ON_STAND_INS)
    assert '| | launched: verify | PASS |' in table


def test_without_a_gpu_each_part_says_why_and_the_next_has_its_turn(bundle_path, tmp_path, capsys):
    if find_gpu() is not None:
        pytest.skip('there is an NVIDIA GPU')
    words = ['--bundle', str(bundle_path), '--out', str(tmp_path / 'out')]

    assert main([*words, '--parts', 'machine', 'ort_cuda', 'scores']) == 1

    verdicts = {name: outcome['verdict'] for name, outcome in read(tmp_path / 'out').items()}
    assert list(verdicts) == ['machine', 'ort_cuda', 'scores']
    assert verdicts['machine'].startswith('no NVIDIA GPU is to be seen')
    assert 'CUDAExecutionProvider' in verdicts['ort_cuda']
    assert capsys.readouterr().out.count('no NVIDIA GPU') == 1


def test_a_part_that_takes_too_long_is_ended(bundle_path, tmp_path):
    outcome = run_part('machine', bundle_path, tmp_path, make_environment(tmp_path, None), 0.05)

    assert outcome['verdict'] == 'not done after 0.05 s'
    assert outcome['found'] == {}
