"""The demo, as `make demo` runs it: real photographs, real node, real DDS."""

from importlib.util import find_spec
from pathlib import Path
import shutil
import subprocess
import sys

import pytest
import yaml

from tests.patience import patience_s

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    find_spec('rclpy') is None or shutil.which('ros2') is None,
    reason='ROS 2 is not sourced (no rclpy or no ros2); run `make test`',
)


def run_demo(output, *, script=ROOT / 'tools/demo/demo.py'):
    return subprocess.run(
        [sys.executable, script, '--output', output],
        capture_output=True,
        text=True,
        timeout=patience_s(120),
    )


def test_the_demo_finds_what_is_expected_and_draws_it(tmp_path):
    done = run_demo(tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert '18 images of 6 photographs' in done.stdout
    for name in ('astronaut', 'chelsea', 'motorcycle_left'):
        assert (tmp_path / f'{name}.png').stat().st_size > 10_000
    assert 'person in astronaut: found' in done.stdout


def test_the_demo_fails_when_an_object_is_not_found(tmp_path):
    copy = tmp_path / 'demo'
    shutil.copytree(ROOT / 'tools/demo', copy)
    expectations = yaml.safe_load((copy / 'expectations.yaml').read_text())
    expectations['chelsea']['box_xyxy'] = [400, 0, 451, 50]
    (copy / 'expectations.yaml').write_text(yaml.safe_dump(expectations))
    done = run_demo(tmp_path / 'out', script=copy / 'demo.py')
    assert done.returncode == 1
    assert 'cat in chelsea: MISSING' in done.stdout
