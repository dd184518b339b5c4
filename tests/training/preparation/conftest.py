"""What the tests of `data prepare` share."""

from pathlib import Path

import pytest


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """Give the folder that a labelling tool is to write."""
    return tmp_path / 'source'
