"""ONNX Runtime on the GPU: what its providers run, whether it is right, how long it takes."""

import json
from pathlib import Path
import time

from measuring import Found, prove, time_detector
import numpy as np

from ssd_detector import Detector
from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import MODEL


def ort_cuda(bundle: Bundle, folder: Path) -> Found:
    """Run ONNX Runtime with CUDA."""
    return _time_provider(bundle, folder, 'CUDAExecutionProvider')


def ort_tensorrt(bundle: Bundle, folder: Path) -> Found:
    """Run ONNX Runtime with its TensorRT provider."""
    return _time_provider(bundle, folder, 'TensorrtExecutionProvider')


def _time_provider(bundle: Bundle, folder: Path, provider: str) -> Found:
    import onnxruntime

    # Also where the provider is listed: only what ran counts.
    request = BackendRequest(
        backend='onnxruntime',
        model=MODEL,
        providers=(provider, 'CPUExecutionProvider'),
        require_gpu=True,
    )
    start_s = time.perf_counter()
    backend = open_backend(bundle, request)
    found: Found = {'onnxruntime': onnxruntime.__version__}
    found['load, s'] = time.perf_counter() - start_s
    found |= prove(backend, bundle, 'FP32')
    found |= time_detector(Detector(bundle, backend, bundle.thresholds))
    return found | {'nodes by provider': _count_nodes(bundle.path / MODEL, provider, folder)}


def _count_nodes(model_path: Path, provider: str, folder: Path) -> str:
    """Say which provider ran how many nodes, by ONNX Runtime's own profile."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.enable_profiling = True
    options.profile_file_prefix = str(folder / 'profile')
    session = onnxruntime.InferenceSession(
        str(model_path), options, providers=[provider, 'CPUExecutionProvider']
    )
    entry = session.get_inputs()[0]
    session.run(None, {entry.name: np.zeros(entry.shape, np.float32)})
    events = json.loads(Path(session.end_profiling()).read_text(encoding='utf-8'))
    counts: dict[str, int] = {}
    for event in events:
        ran_by = event.get('args', {}).get('provider')
        if ran_by:
            counts[ran_by] = counts.get(ran_by, 0) + 1
    return ', '.join(f'{name} {count}' for name, count in sorted(counts.items()))
