"""The demo, as `make demo` runs it: real photographs, real node, real DDS."""

from importlib.util import find_spec
from pathlib import Path
import shutil
import subprocess
import sys

import numpy as np
import pytest

from ssd_detector import Detections
from ssd_detector.config import load_yaml
from tests.patience import patience_s

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(
    find_spec('rclpy') is None or shutil.which('ros2') is None,
    reason='ROS 2 is not sourced (no rclpy or no ros2); run `make test`',
)


def run_demo(output):
    return subprocess.run(
        [sys.executable, ROOT / 'tools/demo/demo.py', '--output', output],
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


@pytest.mark.parametrize(
    ('part', 'value'), [('box_xyxy', [400, 0, 451, 50]), ('label', 'dog'), ('score', 0.4)]
)
def test_the_demo_fails_when_an_object_is_not_found(monkeypatch, capsys, part, value):
    monkeypatch.syspath_prepend(ROOT / 'tools/demo')
    import demo

    expectations = load_yaml(demo.EXPECTATIONS)
    found = {name: {'score': 0.9} | expected for name, expected in expectations.items()}
    assert demo.judge({name: detected(**one) for name, one in found.items()}) == 0
    found['chelsea'][part] = value
    capsys.readouterr()

    assert demo.judge({name: detected(**one) for name, one in found.items()}) == 1

    said = capsys.readouterr().out
    assert 'cat in chelsea: MISSING' in said
    assert said.count('MISSING') == 1


def detected(*, label, box_xyxy, score):
    return Detections(
        boxes_xyxy=np.array([box_xyxy], np.float32),
        scores=np.array([score], np.float32),
        class_ids=np.array([1]),
        labels=[label],
    )
