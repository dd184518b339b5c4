"""From parameters to a detector that has run once and gives what it was trained to give."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ssd_detector import BackendError, Detector, SsdDetectorError
from ssd_detector.backend_selection import resolve_precision
from ssd_detector.bundles.contents import PARITY
from ssd_detector.proofs.parity import verify_backend
from ssd_detector.proofs.parity_file import read_parity
from ssd_detector_ros.parameters.static_settings import VerifyMode


@dataclass(frozen=True)
class ModelRequest:
    """
    What to load; the fields are the parameters of the same names.

    :param bundle: the bundle's folder
    """

    bundle: Path
    model: str
    backend: str
    precision: str
    num_threads: int
    max_batch_size: int
    verify: VerifyMode


@dataclass(frozen=True)
class LoadedModel:
    """
    A detector that works.

    :param detector: has run once
    :param warning: what somebody should know of it; empty when all is well
    """

    detector: Detector
    warning: str = ''


def load_model(request: ModelRequest) -> LoadedModel:
    """
    Load a bundle, check all of it, run it once (the first inference takes longer), and verify it.

    :param request: what to load
    :return: the detector; the warning says where its outputs are not those of the training
    :raises SsdDetectorError: with everything that is wrong; of wrong outputs with verify `refuse`
    """
    if request.precision == 'FP16' and request.backend != 'tensorrt':
        raise BackendError(
            'precision: received FP16, which gains nothing on a CPU; '
            'expected FP32 or INT8, or backend tensorrt'
        )
    detector = Detector.from_bundle(
        request.bundle,
        model=request.model,
        backend=request.backend,
        precision=request.precision,
        num_threads=request.num_threads,
    )
    if request.max_batch_size > 1 and not detector.takes_batches:
        raise BackendError(
            f'max_batch_size: received {request.max_batch_size}; expected 1, for '
            f'{detector.backend.description} takes one image at a time; or take a bundle exported '
            f'with deploy.runtime.batch_size dynamic, on backend onnxruntime or openvino'
        )
    size_px = detector.input_size_px
    black = np.zeros((1, size_px, size_px, 3), np.float32)
    for batch_size in sorted({1, request.max_batch_size}):
        boxes, scores = detector.infer_batch([black] * batch_size)[0]
    detector.postprocess(boxes, scores, (size_px, size_px))
    return LoadedModel(detector, _verify(detector, request))


def describe(detector: Detector) -> str:
    """
    Describe a detector in a line.

    :param detector: loaded
    :return: name, classes, size of the input
    """
    manifest = detector.bundle.manifest
    return f'{manifest.name}, {manifest.num_classes} classes, input {manifest.input_size_px} px'


def tell_loaded(detector: Detector) -> str:
    """
    Tell what was loaded, from where, and what runs it.

    :param detector: loaded
    :return: a line
    """
    runner = detector.backend.description
    return f'loaded {detector.bundle.path}: {describe(detector)}; runs on {runner}'


def _verify(detector: Detector, request: ModelRequest) -> str:
    """Return what is wrong with the outputs, or refuse the model."""
    is_recorded = PARITY in detector.bundle.manifest.files
    if request.verify == 'off' or (request.verify == 'warn' and not is_recorded):
        return ''
    precision = resolve_precision(detector.bundle, request.precision, request.model)
    try:
        verification = verify_backend(
            detector.backend,
            read_parity(detector.bundle),
            precision=precision,
            path=detector.bundle.path,
        )
        finding = '' if verification.is_good else f'parity failed: {verification}'
    except SsdDetectorError as error:
        finding = f'parity failed: {"; ".join(str(error).splitlines())}'
    if finding and request.verify == 'refuse':
        raise BackendError(
            f'{finding}; the boxes would not be those of the trained network: export the bundle '
            f'again, choose another backend or model, or set verify to warn'
        )
    return finding
