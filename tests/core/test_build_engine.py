"""The command that builds an engine, without a GPU; test_engines.py has it on stand-ins."""

import pytest

from ssd_detector.backends.tensorrt.cuda import find_gpu
from ssd_detector.build_engine import main
from tests.tiny_bundle import write_tiny_bundle


@pytest.fixture
def bundle_path(tmp_path):
    return write_tiny_bundle(tmp_path / 'tiny')


@pytest.fixture
def no_gpu():
    if find_gpu() is not None:
        pytest.skip('there is an NVIDIA GPU')


def test_building_without_a_gpu_is_one_sentence(bundle_path, no_gpu, capsys):
    assert main([str(bundle_path)]) == 1

    error = capsys.readouterr().err
    assert 'no NVIDIA GPU is to be seen' in error or 'no Python package' in error
