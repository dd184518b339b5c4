"""Whether a library is here, told without importing it: openvino's import reports to its maker."""

from importlib.util import find_spec

import pytest


def require_openvino():
    if find_spec('openvino') is None:
        pytest.skip('openvino is not installed')
