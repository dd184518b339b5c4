"""
Check a bundle where it will serve: `python -m ssd_detector.verify BUNDLE`.

The backend, file and device that will serve are compared with the bundle's parity.npz.
"""

from collections.abc import Sequence
from dataclasses import replace
from json import dumps
import logging
from pathlib import Path
import sys
from typing import Any

from ssd_detector.backend_selection import (
    BackendRequest,
    BACKENDS,
    open_backend,
    PRECISIONS,
    resolve_precision,
)
from ssd_detector.bundles.bundle import AUTO, Bundle, load_bundle
from ssd_detector.command_line import Parser, run_command
from ssd_detector.proofs.parity import Verification, verify_backend
from ssd_detector.proofs.parity_file import read_parity


def verify_bundle(bundle: Bundle, request: BackendRequest | None = None) -> Verification:
    """
    Open the backend that would serve and compare it with parity.npz.

    :param bundle: from load_bundle
    :param request: what will serve; None is what `auto` gives
    :return: the differences; the caller decides what to do about them
    :raises BundleError: when the bundle has no parity.npz, or none for this precision
    :raises BackendError: when the backend can't be opened or fails
    """
    # What stands in for an engine is not what will serve.
    request = replace(request or BackendRequest(), engine_build='wait')
    precision = resolve_precision(bundle, request.precision, request.model)
    backend = open_backend(bundle, request)
    return verify_backend(backend, read_parity(bundle), precision=precision, path=bundle.path)


def main(argv: Sequence[str] | None = None) -> int:
    """
    Verify one bundle and print the result.

    :param argv: the arguments; those of the process by default
    :return: 0 good, 1 failed, 2 wrong usage
    """
    parser = Parser(prog='python -m ssd_detector.verify', description=__doc__)
    parser.add_argument('bundle', type=Path, help="the bundle's folder")
    parser.add_argument('--backend', default=AUTO, choices=BACKENDS)
    parser.add_argument('--model', default=AUTO, help='a file of the bundle')
    parser.add_argument('--precision', default=AUTO, choices=PRECISIONS)
    parser.add_argument('--provider', action='append', help='of ONNX Runtime; may be repeated')
    parser.add_argument('--require_gpu', action='store_true')
    parser.add_argument('--engine_folder', type=Path, help='of the TensorRT engines')
    parser.add_argument(
        '--use_cuda_graph', action='store_true', help='TensorRT: record the inference, replay it'
    )
    parser.add_argument('--json', action='store_true', help='print JSON')
    arguments = vars(parser.parse_args(argv))
    logging.basicConfig(level=logging.WARNING, format='%(message)s', stream=sys.stderr)
    return run_command(lambda: _verify(**arguments))


def _verify(bundle: Path, *, provider: Sequence[str] | None, json: bool, **request: Any) -> int:
    if provider:
        request['providers'] = tuple(provider)
    verification = verify_bundle(load_bundle(bundle), BackendRequest(**request))
    print(dumps(_to_json(verification)) if json else verification)
    return 0 if verification.is_good else 1


def _to_json(verification: Verification) -> dict[str, Any]:
    return {
        'is_good': verification.is_good,
        'description': verification.description,
        'precision': verification.precision,
        'box_shift_px': verification.box_shift_px,
        'score_change': verification.score_change,
        'tolerance': vars(verification.tolerance),
    }


if __name__ == '__main__':
    sys.exit(main())
