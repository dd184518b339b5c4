"""From parameters to a detector that has run once."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np

from ssd_detector import BackendError, Detector
from ssd_detector.bundle import AUTO

BACKENDS = ('auto', 'onnxruntime', 'tensorrt')
PRECISIONS = ('auto', 'FP32', 'FP16', 'INT8')
# What ONNX Runtime runs on a CPU; auto leaves the choice to the bundle.
_MODEL_BY_PRECISION = {'FP32': 'model.onnx', 'INT8': 'model_int8_cpu.onnx'}


@dataclass(frozen=True)
class ModelRequest:
    """
    What to load; the fields are the parameters of the same names.

    :param bundle: the bundle's folder
    """

    bundle: Path
    model: str = AUTO
    backend: str = 'auto'
    precision: str = 'auto'
    num_threads: int = 0


def load_detector(request: ModelRequest) -> Detector:
    """
    Load a bundle, check all of it, and run it once: the first inference takes longer.

    :param request: what to load
    :return: the detector
    :raises SsdDetectorError: with everything that is wrong
    """
    _check_backend(request)
    detector = Detector.from_bundle(
        request.bundle, model=_model_name(request), num_threads=request.num_threads
    )
    size_px = detector.input_size_px
    boxes, scores = detector.infer(np.zeros((1, size_px, size_px, 3), np.float32))
    detector.postprocess(boxes, scores, (size_px, size_px))
    return detector


def _check_backend(request: ModelRequest) -> None:
    if request.backend == 'tensorrt':
        is_there = find_spec('tensorrt') is not None
        raise BackendError(
            'backend: received tensorrt, '
            + (
                'which this version does not run yet'
                if is_there
                else 'but the Python package tensorrt is not installed (JetPack 6 brings 10.3)'
            )
            + '; set backend to auto or onnxruntime'
        )
    if request.precision == 'FP16':
        raise BackendError(
            'precision: received FP16, which ONNX Runtime does not gain from on a CPU; '
            'expected FP32 or INT8, or backend tensorrt'
        )


def _model_name(request: ModelRequest) -> str:
    if request.model != AUTO:
        return request.model
    return _MODEL_BY_PRECISION.get(request.precision, AUTO)
