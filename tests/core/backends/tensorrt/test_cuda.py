"""CUDA without a GPU."""

import pytest

from ssd_detector import BackendError
from ssd_detector.backends.tensorrt.cuda import Cuda


def test_a_missing_cuda_runtime_is_named(monkeypatch):
    monkeypatch.setenv('SSD_LIBCUDART', 'libcudart_none.so')

    with pytest.raises(BackendError, match='install the CUDA runtime'):
        Cuda()
