"""`make bench-attacks` measures: its figures are in docs/security.md."""

from pathlib import Path
import re
import subprocess
import sys

import pytest

from tests.patience import patience_s
from tests.ros.attacks import ATTACKS

PAGE = Path(__file__).parents[2] / 'docs/security.md'


@pytest.mark.slow
def test_an_attack_is_measured():
    name = 'PNG that claims 40000x40000'
    done = subprocess.run(
        [sys.executable, '-m', 'tests.ros.attacks', '--seconds', '1', '--only', name],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=patience_s(60),
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(rf'{name} +\d+% \d+% ', done.stdout)


def test_the_page_has_a_row_for_each_attack():
    table = PAGE.read_text().partition('## Under attack')[2].partition('## SROS 2')[0]
    rows = [line for line in table.splitlines() if line.startswith('| ')][2:]
    assert len(rows) == len(ATTACKS)
