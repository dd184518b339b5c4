"""What the parts measure of a detector: whether it gives what was recorded, and its time."""

from collections.abc import Callable
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detector
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import PARITY
from ssd_detector.errors import BackendError
from ssd_detector.proofs.parity import verify_backend
from ssd_detector.proofs.parity_file import read_parity

Found = dict[str, Any]

CAMERA_WH = (640, 480)
_LAPS = 200
_TIMED_S = 8.0


def prove(backend: Any, bundle: Bundle, precision: str) -> Found:
    """
    Compare a backend's outputs with those recorded in training.

    :param backend: with the model of the bundle
    :param bundle: what was recorded
    :param precision: of the backend, which decides how much may differ
    :return: the verdict, and how far boxes and scores are off
    :raises BackendError: when that is too far
    """
    if PARITY not in bundle.manifest.files:
        return {'verify': 'the bundle has no parity.npz'}
    verification = verify_backend(
        backend, read_parity(bundle), precision=precision, path=bundle.path
    )
    if not verification.is_good:
        raise BackendError(str(verification))
    return {
        'verify': 'PASS',
        'box shift, px': verification.box_shift_px,
        'score change': verification.score_change,
    }


def time_detector(detector: Detector) -> Found:
    """
    Time network and whole detector in turn, after a warm-up.

    :param detector: warm or not
    :return: p50 and p95 of both, ms
    """
    frame = draw_frame()
    network_input = detector.preprocess(frame)
    for _ in range(10):
        detector(frame)
    laps_ms = []
    end_s = time.monotonic() + _TIMED_S
    while len(laps_ms) < _LAPS and time.monotonic() < end_s:
        network_ms = time_ms(lambda: detector.infer(network_input))
        laps_ms.append((network_ms, time_ms(lambda: detector(frame))))
    p50, p95 = np.percentile(laps_ms, [50, 95], axis=0)
    return {
        'network p50, ms': float(p50[0]),
        'network p95, ms': float(p95[0]),
        'detector p50, ms': float(p50[1]),
        'detector p95, ms': float(p95[1]),
    }


def time_ms(action: Callable[[], object]) -> float:
    """
    Time one call.

    :param action: to call
    :return: ms
    """
    start_s = time.perf_counter()
    action()
    return (time.perf_counter() - start_s) * 1e3


def draw_frame() -> NDArray[np.uint8]:
    """
    Draw noise of the size of a camera's image, always the same.

    :return: (480, 640, 3) uint8, RGB
    """
    width, height = CAMERA_WH
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)
