"""Signals reach a process that has swapped models of OpenVINO."""

from importlib.util import find_spec
import subprocess
import sys

import pytest

from tests.tiny_bundle import write_tiny_bundle

# The plugin for CPUs gives the thread that loads it a stack for signals, and takes it away later.
SWAPS = """
import gc, os, signal, sys
from pathlib import Path
from ssd_detector.backends.openvino import OpenVinoBackend

model = Path(sys.argv[1])
first = OpenVinoBackend(model)
second = OpenVinoBackend(model)
del first
gc.collect()
del second
gc.collect()
signal.signal(signal.SIGTERM, lambda *_: print('told'))
os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.skipif(find_spec('openvino') is None, reason='openvino is not installed')
def test_a_signal_after_models_were_swapped_is_handled(tmp_path):
    model = write_tiny_bundle(tmp_path / 'tiny') / 'model.onnx'
    done = subprocess.run(
        [sys.executable, '-c', SWAPS, model], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, 'told\n'), done.stderr
