"""
Time the runtimes for the CPU on a file of a bundle: `python -m ssd_detector.time_runtimes BUNDLE`.

They take turns, so that what else the machine does meets all; a runtime whose boxes are not those
of parity.npz does not count.
"""

from collections.abc import Sequence
import os
from pathlib import Path
import signal
import statistics
import sys
import time

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backend_selection import cpu_model_name, PRECISIONS, resolve_precision
from ssd_detector.backends.backend import Backend
from ssd_detector.backends.onnxruntime import OnnxRuntimeBackend
from ssd_detector.backends.openvino import OpenVinoBackend
from ssd_detector.bundles.bundle import AUTO, Bundle, load_bundle
from ssd_detector.bundles.contents import PARITY
from ssd_detector.command_line import Parser, run_command
from ssd_detector.cpu_runtimes import decide, LONGEST_S, NAMES, ONNX_RUNTIME, OPENVINO, Timings
from ssd_detector.errors import SsdDetectorError
from ssd_detector.proofs.parity import verify_backend
from ssd_detector.proofs.parity_file import read_parity

_WARM_UP_S = 0.1
_TIMED_S = 1.0
_OPENERS = {ONNX_RUNTIME: OnnxRuntimeBackend, OPENVINO: OpenVinoBackend}


def main(argv: Sequence[str] | None = None) -> int:
    """
    Measure and print.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    parser = Parser(prog='python -m ssd_detector.time_runtimes', description=__doc__)
    parser.add_argument('bundle', type=Path, help="the bundle's folder")
    parser.add_argument('--model', default=AUTO, help='a file of the bundle')
    parser.add_argument('--precision', default=AUTO, choices=PRECISIONS)
    parser.add_argument(
        '--num_threads', type=int, default=0, help='of an inference (default: 0, automatic)'
    )
    parser.add_argument('--json', action='store_true', help='print JSON')
    arguments = parser.parse_args(argv)
    if arguments.json:
        # Whatever a runtime hangs in: nobody waits for longer.
        signal.alarm(LONGEST_S)
    return run_command(
        lambda: _print(
            time_runtimes(
                load_bundle(arguments.bundle),
                model=arguments.model,
                precision=arguments.precision,
                num_threads=arguments.num_threads,
            ),
            is_json=arguments.json,
        )
    )


def time_runtimes(
    bundle: Bundle, *, model: str = AUTO, precision: str = AUTO, num_threads: int = 0
) -> Timings:
    """
    Time every runtime that is installed, in turn.

    :param bundle: from load_bundle
    :param model: a file of the bundle; auto takes the one of the precision
    :param precision: FP32, INT8, or auto for the bundle's
    :param num_threads: of one inference; 0 is automatic
    :return: the medians
    :raises BundleError: when the bundle has no such file
    """
    precision = resolve_precision(bundle, precision, model)
    path = bundle.model_path(model, cpu_model_name(precision))
    backends: dict[str, Backend] = {}
    refused = {}
    for name, opener in _OPENERS.items():
        try:
            backend = opener(path, num_threads=num_threads)
            _check(backend, bundle, precision)
            backends[name] = backend
        except SsdDetectorError as error:
            refused[name] = '; '.join(str(error).splitlines())
    return Timings(median_ms=_time_in_turn(backends, bundle), refused=refused)


def _check(backend: Backend, bundle: Bundle, precision: str) -> None:
    if PARITY not in bundle.manifest.files:
        return
    verification = verify_backend(
        backend, read_parity(bundle), precision=precision, path=bundle.path
    )
    if not verification.is_good:
        raise SsdDetectorError(f'other boxes than the trained network: {verification}')


def _time_in_turn(backends: dict[str, Backend], bundle: Bundle) -> dict[str, float]:
    size_px = bundle.manifest.input_size_px
    image = np.random.default_rng(0).random((1, size_px, size_px, 3), np.float32)
    parent = os.getppid()

    def run_round() -> dict[str, float]:
        if os.getppid() != parent:
            raise SsdDetectorError('nobody waits for the figures any more')
        return {name: _time_ms(backend, image) for name, backend in backends.items()}

    # A model that takes seconds is told apart by one inference.
    warm_s = time.monotonic() + _WARM_UP_S
    run_round()
    while time.monotonic() < warm_s:
        run_round()
    end_s = time.monotonic() + _TIMED_S
    rounds = [run_round()]
    while time.monotonic() < end_s:
        rounds.append(run_round())
    return {name: statistics.median(laps[name] for laps in rounds) for name in backends}


def _time_ms(backend: Backend, image: NDArray[np.float32]) -> float:
    start_s = time.perf_counter()
    backend.run(image)
    return (time.perf_counter() - start_s) * 1e3


def _print(timings: Timings, *, is_json: bool) -> None:
    if is_json:
        print(timings.model_dump_json())
        return
    for name, milliseconds in sorted(timings.median_ms.items(), key=lambda item: item[1]):
        print(f'{NAMES[name]:<14}{milliseconds:8.2f} ms')
    for name, why in timings.refused.items():
        print(f'{NAMES[name]:<14}{"-":>8}     {why}')
    print(f'backend auto takes {NAMES[decide(timings).runtime]}')


if __name__ == '__main__':
    sys.exit(main())
