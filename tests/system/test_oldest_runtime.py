"""The released bundle in the oldest ONNX Runtime that this Python can have."""

import os
from pathlib import Path
import shutil
import subprocess
import sys

import pytest

ROOT = Path(__file__).parents[2]
BUNDLE = ROOT / 'ssd_detector_ros/models/mobilenetv2_ssd_voc'
# As ssd_detector/setup.py allows them; for these Pythons later ones were the first.
OLDEST = {(3, 11): '1.15.0', (3, 12): '1.17.0', (3, 13): '1.20.0'}
MODELS = ('model.onnx', 'model_fp16.onnx', 'model_int8_cpu.onnx', 'model_int8_trt.onnx')

# Wheels come from the network.
pytestmark = pytest.mark.slow


@pytest.fixture(scope='module')
def python():
    """Give the start of a command that runs Python beside these wheels."""
    uv = shutil.which('uv', path=Path(sys.executable).parent)
    if uv is None:
        pytest.skip('uv is not here')
    wheels = [f'onnxruntime=={OLDEST[sys.version_info[:2]]}', 'pydantic>=2.7', 'pyyaml', 'jinja2']
    if sys.version_info < (3, 13):
        # Its wheels of then know no NumPy 2.
        wheels += ['numpy<2', 'opencv-python-headless<4.12']
    else:
        wheels += ['opencv-python-headless']
    command = [uv, 'run', '-q', '--isolated', '--no-project', '--python', sys.executable]
    command += [word for wheel in wheels for word in ('--with', wheel)]
    done = subprocess.run([*command, 'true'], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f'the wheels can not be had: {done.stderr.strip().splitlines()[-1]}')
    return [*command, 'python']


@pytest.mark.parametrize('model', MODELS)
def test_it_gives_what_was_trained(python, model):
    command = [*python, '-m', 'ssd_detector.verify', BUNDLE, '--backend', 'onnxruntime']
    done = subprocess.run(
        [*command, '--model', model],
        cwd=ROOT / 'ssd_detector',
        env={name: value for name, value in os.environ.items() if name != 'PYTHONPATH'},
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('PASS ONNX Runtime')
