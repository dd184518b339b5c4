"""Does training learn? The shipped smoke experiment, as a process, from random weights."""

import json
import os
from pathlib import Path
import subprocess
import sys


def test_the_smoke_experiment_finds_held_out_shapes(tmp_path):
    """A broken link of the chain (boxes, coding, statistics, scores) gives 0.0 to 0.1."""
    process = subprocess.run(
        [
            *(sys.executable, '-m', 'ssd_training.train'),
            *('--experiment_path', 'experiments/smoke.yaml'),
        ],
        env=os.environ | {'RUNS_ROOT': str(tmp_path)},
        capture_output=True,
        text=True,
    )

    assert process.returncode == 0, process.stderr
    run_folder = Path(process.stdout.strip())
    history = json.loads((run_folder / 'metric_history.json').read_text())
    assert history[-1]['val/voc_ap_50/mAP'] >= 0.80
