"""tools/bench/ros.py runs: its figures are in docs/node.md."""

import os
from pathlib import Path
import re
import subprocess
import sys

import pytest

from tests.patience import patience_s

BENCH = Path(__file__).parents[2] / 'tools/bench/ros.py'


@pytest.mark.slow
def test_the_benchmark_compares_the_node_with_the_core():
    environment = {k: v for k, v in os.environ.items() if k != 'ROS_PYTHON_CHECK_FIELDS'}
    done = subprocess.run(
        [sys.executable, BENCH, '--rounds', '2', '--seconds', '2'],
        capture_output=True,
        text=True,
        timeout=patience_s(120),
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    (share,) = re.findall(r'throughput .*: ([\d.]+)% \(median of 2 rounds', done.stdout)
    assert 10 < float(share) < 200
    assert re.search(r'image to detections p50 [\d.]+ ms: core p50 [+-][\d.]+ ms', done.stdout)
