"""Where a claimed experiment goes on, and what of its run the ledger is told."""

import json
import subprocess
import sys

from ssd_training.ledger.going_on import Places, read_result
from ssd_training.ledger.lease import Result


def test_a_result_has_the_best_metric_its_epoch_and_where_the_run_is(tmp_path):
    summary = {'best_metric': 0.62, 'best_step': 40, 'global_step': 60}
    history = [{'step': 20 * epoch, 'epoch': epoch, 'timestamp': ''} for epoch in (1, 2, 3)]
    (tmp_path / 'training_summary.json').write_text(json.dumps(summary))
    (tmp_path / 'metric_history.json').write_text(json.dumps(history))

    result = read_result(Places(tmp_path, 's3://bucket/runs/exp_0123'))

    assert result == Result('s3://bucket/runs/exp_0123', 0.62, 2, 60)


def test_a_ledger_in_a_file_needs_no_boto3_and_help_no_tensorflow():
    code = (
        'import sys, ssd_training.ledger.commands, ssd_training.ledger.tracking\n'
        'sys.exit(bool({"boto3", "botocore", "tensorflow", "keras"} & set(sys.modules)))'
    )
    assert subprocess.run([sys.executable, '-c', code]).returncode == 0
