"""
The parts of the GPU check, each a process of its own: `python parts.py NAME BUNDLE FOLDER`.

A part prints one JSON object, whose values are texts and numbers. What it can't do it says in one
sentence on stderr, and ends with 1.
"""

from collections.abc import Callable, Mapping
from importlib.metadata import distributions
import json
from pathlib import Path
import platform
import shutil
import subprocess
import sys

from engines import engine_fp16, engine_fp32, engine_int8, other_gpu, swap
from gpu_memory import memory
from measuring import Found
from providers import ort_cuda, ort_tensorrt
from training import scores, training_float16, training_float32

from ssd_detector.bundles.bundle import Bundle, load_bundle
from ssd_detector.engines import require_gpu
from ssd_detector.errors import SsdDetectorError

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
    installed = {
        distribution.metadata['Name']: distribution.version for distribution in distributions()
    }
    found |= {name: installed[name] for name in sorted(installed) if name.startswith(_WANTED)}
    return found


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
