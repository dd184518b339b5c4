"""
The parts of the GPU check, each a process of its own: `python parts.py NAME BUNDLE FOLDER`.

A part prints one JSON object, whose values are texts and numbers. What it can't do it says in one
sentence on stderr, and ends with 1.
"""

from collections.abc import Callable, Mapping
import ctypes
from importlib.metadata import distributions
import json
import os
from pathlib import Path
import platform
import shutil
import subprocess
import sys
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector import Detector
from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.backends.tensorrt.api import BuildOptions, describe_runtime, load_module
from ssd_detector.backends.tensorrt.cuda import Cuda
from ssd_detector.build_engine import build_for_bundle
from ssd_detector.bundles.bundle import Bundle, load_bundle
from ssd_detector.bundles.contents import MODEL, PARITY
from ssd_detector.engines import find_engine, require_gpu
from ssd_detector.errors import BackendError, SsdDetectorError
from ssd_detector.proofs.parity import verify_backend
from ssd_detector.proofs.parity_file import read_parity

Found = dict[str, Any]

ROOT = Path(__file__).parents[2]
CAMERA_WH = (640, 480)
_LAPS = 200
_TIMED_S = 8.0
_WANTED = ('onnxruntime', 'tensorrt', 'tensorflow', 'torch', 'jax', 'keras', 'numpy')


def machine(bundle: Bundle, folder: Path) -> Found:
    """Name the GPU, its driver and the libraries."""
    gpu = require_gpu()
    found: Found = {
        'GPU': gpu.name,
        'compute capability': gpu.compute_capability,
        'Python': platform.python_version(),
    }
    if shutil.which('nvidia-smi'):
        command = [
            'nvidia-smi',
            '--query-gpu=driver_version,memory.total',
            '--format=csv,noheader',
        ]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        found['driver, memory'] = done.stdout.strip()
    installed = {one.metadata['Name']: one.version for one in distributions()}
    found |= {name: installed[name] for name in sorted(installed) if name.startswith(_WANTED)}
    return found


def ort_cuda(bundle: Bundle, folder: Path) -> Found:
    """Run ONNX Runtime with CUDA."""
    return _time_provider(bundle, folder, 'CUDAExecutionProvider')


def ort_tensorrt(bundle: Bundle, folder: Path) -> Found:
    """Run ONNX Runtime with its TensorRT provider."""
    return _time_provider(bundle, folder, 'TensorrtExecutionProvider')


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
    frame = _draw_frame()
    laps_ms: dict[str, list[float]] = {}
    end_s = time.monotonic() + 35
    while len(laps_ms.get('engine', ())) < 50 and time.monotonic() < end_s:
        lap_ms = _time_ms(lambda: detector(frame))
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


def scores(bundle: Bundle, folder: Path) -> Found:
    """Score the engines of the parts before on a val split, where DATA_ROOT leads to one."""
    if 'DATA_ROOT' not in os.environ:
        raise SsdDetectorError('no pictures: set DATA_ROOT to the folder that has VOCdevkit')
    found: Found = {}
    engines = sorted((folder / 'engines').glob('*.engine'))
    if not engines:
        raise SsdDetectorError('no engine was built before')
    for source in (bundle.path, *engines):
        command = [sys.executable, '-m', 'ssd_training.evaluate', source, '--json']
        command += ['--experiment_path', 'experiments/exp002_ssdlite.yaml']
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        try:
            found[f'{source.name}, mAP'] = json.loads(done.stdout)['metrics']['mAP']
        except (ValueError, KeyError, TypeError):
            found[source.name] = f'not scored: {_last_line(done.stderr)}'
    return found


def training_float32(bundle: Bundle, folder: Path) -> Found:
    """Train in float32."""
    return _time_training([])


def training_float16(bundle: Bundle, folder: Path) -> Found:
    """Train in float16 where that is enough."""
    return _time_training(['train.amp.enabled=true', 'train.amp.policy=mixed_float16'])


# In this order; seconds that each may take, 470 in all.
PARTS: Mapping[Callable[[Bundle, Path], Found], int] = {
    machine: 10,
    ort_cuda: 30,
    ort_tensorrt: 50,
    engine_fp32: 45,
    engine_fp16: 45,
    engine_int8: 45,
    swap: 45,
    other_gpu: 15,
    memory: 30,
    scores: 75,
    training_float32: 40,
    training_float16: 40,
}
_PIECE_BYTES = 2**28


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
    found |= _prove(backend, bundle, 'FP32') | _time(Detector(bundle, backend, bundle.thresholds))
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


def _try_engine(bundle: Bundle, folder: Path, precision: str) -> Found:
    trt = load_module()
    engines = folder / 'engines'
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
        measured = {'load, s': load_s} | _prove(backend, bundle, precision)
        measured |= _time(Detector(bundle, backend, bundle.thresholds))
        found |= {f'{way}: {name}': value for name, value in measured.items()}
    if path.stat().st_mtime_ns != changed_ns:
        raise BackendError(f'{path}: was built again although it fits')
    return found


def _prove(backend: Any, bundle: Bundle, precision: str) -> Found:
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


def _time(detector: Detector) -> Found:
    """Time network and whole detector in turn, after a warm-up."""
    frame = _draw_frame()
    network_input = detector.preprocess(frame)
    for _ in range(10):
        detector(frame)
    laps_ms = []
    end_s = time.monotonic() + _TIMED_S
    while len(laps_ms) < _LAPS and time.monotonic() < end_s:
        network_ms = _time_ms(lambda: detector.infer(network_input))
        laps_ms.append((network_ms, _time_ms(lambda: detector(frame))))
    p50, p95 = np.percentile(laps_ms, [50, 95], axis=0)
    return {
        'network p50, ms': float(p50[0]),
        'network p95, ms': float(p95[0]),
        'detector p50, ms': float(p50[1]),
        'detector p95, ms': float(p95[1]),
    }


def _time_ms(action: Callable[[], object]) -> float:
    start_s = time.perf_counter()
    action()
    return (time.perf_counter() - start_s) * 1e3


def _draw_frame() -> NDArray[np.uint8]:
    width, height = CAMERA_WH
    return np.random.default_rng(0).integers(0, 256, (height, width, 3), np.uint8)


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


def _time_training(overrides: list[str]) -> Found:
    import tensorflow as tf

    if not tf.config.list_physical_devices('GPU'):
        raise SsdDetectorError(f'TensorFlow {tf.__version__} sees no GPU')
    sys.path.insert(0, str(ROOT / 'tools/bench'))
    from train_step import load, make_batch, make_step, measure

    found: Found = {'tensorflow': tf.__version__}
    for size in (16, 64):
        config = load('exp002_ssdlite', f'train.batch_size={size}', *overrides)
        seconds = measure([make_step(config, make_batch(config))], num_steps=10)
        found[f'batch {size}, images/s'] = size / float(np.median(seconds))
    return found


def _last_line(text: str) -> str:
    return (text.strip().splitlines() or ['nothing was said'])[-1]


def main() -> int:
    """Run one part and print what it found."""
    name, bundle, folder = sys.argv[1:]
    part = next(part for part in PARTS if part.__name__ == name)
    try:
        print(json.dumps(part(load_bundle(bundle), Path(folder))))
    except (SsdDetectorError, ImportError) as error:
        print(' '.join(str(error).split()), file=sys.stderr)
        return 1
    return 0


if __name__ == '__main__':
    sys.exit(main())
