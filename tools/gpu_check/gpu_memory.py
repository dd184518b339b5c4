"""Engines that are built where the GPU has little memory left."""

from collections.abc import Callable
import ctypes
import os
from pathlib import Path

from measuring import Found

from ssd_detector.backends.tensorrt.api import BuildOptions, load_module
from ssd_detector.backends.tensorrt.cuda import Cuda
from ssd_detector.build_engine import build_for_bundle
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.errors import BackendError

_PIECE_BYTES = 2**28


def memory(bundle: Bundle, folder: Path) -> Found:
    """Build with no room for tactics, and with the GPU's memory nearly full."""
    trt = load_module()
    outcomes: Found = {}
    outcomes['1 MiB for tactics'] = _outcome(
        lambda: build_for_bundle(
            bundle, trt, BuildOptions('FP32', workspace_mib=1), folder=folder / 'small'
        )
    )
    held = _fill_memory()
    outcomes['GPU memory held, GiB'] = len(held) * _PIECE_BYTES / 2**30
    outcomes['build in what is left'] = _outcome(
        lambda: build_for_bundle(bundle, trt, BuildOptions('FP32'), folder=folder / 'full')
    )
    held.clear()
    outcomes['build after that'] = _outcome(
        lambda: build_for_bundle(bundle, trt, BuildOptions('FP32'), folder=folder / 'free')
    )
    return outcomes


class _Piece:
    """GPU memory that is given back when the piece goes."""

    def __init__(self, cuda: Cuda) -> None:
        size_bytes = ctypes.c_size_t(_PIECE_BYTES)
        self.address = cuda.make(self, 'cudaMalloc', size_bytes, undo='cudaFree')


def _fill_memory() -> list[_Piece]:
    """Take GPU memory until there is none."""
    cuda, held = Cuda(), []
    # A stand-in has no end of it.
    for _ in range(int(os.environ.get('SSD_GPU_CHECK_PIECES', '4096'))):
        try:
            held.append(_Piece(cuda))
        except BackendError:
            break
    return held


def _outcome(action: Callable[[], object]) -> str:
    """Run what may fail, in one sentence."""
    try:
        action()
    except BackendError as error:
        return f'refused: {error}'
    return 'built'
