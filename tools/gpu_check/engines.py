"""Engines of TensorRT: built, proven and timed; taken into use at work; told apart by GPU."""

import json
from pathlib import Path
import time

from measuring import draw_frame, Found, prove, time_detector, time_ms
import numpy as np

from ssd_detector import Detector
from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.tensorrt.api import BuildOptions, describe_runtime, load_module
from ssd_detector.build_engine import build_for_bundle
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.engines import find_engine
from ssd_detector.errors import BackendError

FOLDER = 'engines'


def engine_fp32(bundle: Bundle, folder: Path) -> Found:
    """Build and run a TensorRT engine in float32."""
    return _try_engine(bundle, folder, 'FP32')


def engine_fp16(bundle: Bundle, folder: Path) -> Found:
    """Build and run a TensorRT engine in float16."""
    return _try_engine(bundle, folder, 'FP16')


def engine_int8(bundle: Bundle, folder: Path) -> Found:
    """Build and run a TensorRT engine in INT8."""
    return _try_engine(bundle, folder, 'INT8')


def swap(bundle: Bundle, folder: Path) -> Found:
    """Detect while an engine is built beside, and go on in it."""
    engines = folder / 'swap'
    request = BackendRequest(precision='FP32', engine_folder=engines, engine_build='background')
    backend = open_backend(bundle, request)
    detector = Detector(bundle, backend, bundle.thresholds)
    frame = draw_frame()
    laps_ms: dict[str, list[float]] = {}
    end_s = time.monotonic() + 35
    while len(laps_ms.get('engine', ())) < 50 and time.monotonic() < end_s:
        lap_ms = time_ms(lambda: detector(frame))
        runner = 'engine' if '.engine' in backend.description else 'CPU'
        laps_ms.setdefault(runner, []).append(lap_ms)
    if 'engine' not in laps_ms:
        raise BackendError(f'the engine did not take over within 35 s: {backend.notice}')
    return {
        'frames while it was built': len(laps_ms.get('CPU', ())),
        'longest of these, ms': max(laps_ms.get('CPU', [0.0])),
        'longest after, ms': max(laps_ms['engine']),
        'p50 after, ms': float(np.median(laps_ms['engine'])),
        'said': str(backend.notice),
    }


def other_gpu(bundle: Bundle, folder: Path) -> Found:
    """Find an engine that was built for another GPU."""
    trt = load_module()
    engines = folder / 'other'
    path = build_for_bundle(bundle, trt, BuildOptions('FP32'), folder=engines)
    record = path.with_suffix('.json')
    tree = json.loads(record.read_text(encoding='utf-8'))
    record.write_text(json.dumps(tree | {'gpu_name': 'Another'}), encoding='utf-8')
    misfits = find_engine(bundle, trt, precision='FP32', folder=engines).misfits
    if not any('the GPU was Another' in misfit for misfit in misfits):
        raise BackendError(f'an engine of another GPU was taken for ours: {misfits}')
    return {'said': '; '.join(misfits)}


def _try_engine(bundle: Bundle, folder: Path, precision: str) -> Found:
    trt = load_module()
    engines = folder / FOLDER
    start_s = time.perf_counter()
    path = build_for_bundle(bundle, trt, BuildOptions(precision), folder=engines)
    found: Found = {'runtime': describe_runtime(trt)}
    found['build, s'] = time.perf_counter() - start_s
    found['engine, MB'] = path.stat().st_size / 1e6
    changed_ns = path.stat().st_mtime_ns
    for use_cuda_graph in (False, True):
        request = BackendRequest(
            backend='tensorrt',
            precision=precision,
            engine_folder=engines,
            engine_build='off',
            use_cuda_graph=use_cuda_graph,
        )
        start_s = time.perf_counter()
        backend = open_backend(bundle, request)
        load_s = time.perf_counter() - start_s
        way = 'CUDA graph' if use_cuda_graph else 'launched'
        measured = {'load, s': load_s} | prove(backend, bundle, precision)
        measured |= time_detector(Detector(bundle, backend, bundle.thresholds))
        found |= {f'{way}: {name}': value for name, value in measured.items()}
    if path.stat().st_mtime_ns != changed_ns:
        raise BackendError(f'{path}: was built again although it fits')
    return found
