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


def rows_of_the_feature_tables():
    """Return the first and the last cell of each row, without heads."""
    lines = (ROOT / 'docs/features.md').read_text().splitlines()
    rows = [
        line.strip('|').split('|')
        for line in lines
        if line.startswith('|') and not line.startswith(('| feature', '| ---'))
    ]
    return [(cells[0].strip(), cells[-1].strip()) for cells in rows]


def test_each_cell_of_the_feature_tables_names_tests_that_exist():
    ours = [cell for _, cell in rows_of_the_feature_tables() if cell != '-']
    assert len(ours) > 30
    for cell in ours:
        named = re.findall(r'`((?:\w+/)+\w+\.py)::(\w+)`', cell)
        assert named, f'{cell}: names no test'
        for file, name in named:
            tree = ast.parse((ROOT / 'tests' / file).read_text())
            functions = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
            assert name in functions, f'{file} has no {name}'


def test_what_we_lack_is_named_at_the_end_of_the_features():
    lacking = {feature.lower() for feature, cell in rows_of_the_feature_tables() if cell == '-'}
    _, end = (ROOT / 'docs/features.md').read_text().split('## What others have and we lack\n')
    named = ' '.join(end.lower().split())
    assert sorted(feature for feature in lacking if feature not in named) == []


def test_the_count_of_encodings_is_that_of_the_code():
    if find_spec('rclpy') is None:
        pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`')
    from ssd_detector_ros.images.raw_images import ENCODINGS

    assert f'{len(ENCODINGS)} encodings' in (ROOT / 'docs/features.md').read_text()


def test_the_page_of_the_node_names_each_parameter_and_drop_reason():
    if find_spec('rclpy') is None:
        pytest.skip('ROS 2 is not sourced (no rclpy); run `make test`')
    from ssd_detector_ros.parameters.declarations import DECLARATIONS

    text = (ROOT / 'docs/node.md').read_text()
    words = {*DECLARATIONS, *DROP_REASONS}
    assert sorted(word for word in words if f'`{word}`' not in text) == []
