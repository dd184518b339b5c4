"""docs/: each test that is named exists, each parameter is named, each topic is described."""

import ast
from importlib.util import find_spec
from pathlib import Path
import re

import pytest

ROOT = Path(__file__).parents[2]
DROP_REASONS = (
    *('disabled', 'nobody_listens', 'rate_limit', 'superseded', 'queue_full'),
    *('too_old', 'bad_image', 'backend_error'),
)


def test_each_test_that_the_feature_table_names_exists():
    named = re.findall(r'`(ros/\w+\.py)::(\w+)`', (ROOT / 'docs/features.md').read_text())
    assert len(named) > 30
    for file, name in named:
        tree = ast.parse((ROOT / 'tests' / file).read_text())
        assert name in {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}


def test_the_count_of_encodings_is_that_of_the_code():
    if find_spec('rclpy') is None:
        pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`')
    from ssd_detector_ros.image_conversion import ENCODINGS

    assert f'{len(ENCODINGS)} encodings' in (ROOT / 'docs/features.md').read_text()


def test_the_page_of_the_node_names_each_parameter_and_drop_reason():
    if find_spec('rclpy') is None:
        pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`')
    from ssd_detector_ros.declarations import DECLARATIONS

    text = (ROOT / 'docs/node.md').read_text()
    words = {*DECLARATIONS, *DROP_REASONS}
    assert sorted(word for word in words if f'`{word}`' not in text) == []
