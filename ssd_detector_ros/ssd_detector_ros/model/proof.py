"""
Tries a bundle in a process of its own: what hangs, takes all memory or crashes does so there.

A model file can ask for any time and memory in code that no Python thread can be taken out of.
"""

import contextlib
from dataclasses import asdict, dataclass
import hashlib
import json
import os
from pathlib import Path
import resource
import signal
import subprocess
import sys

from ssd_detector import BackendError, BundleError, SsdDetectorError
from ssd_detector.bundles.contents import MANIFEST
from ssd_detector.bundles.folder import BundleFolder
from ssd_detector.files import FileError
from ssd_detector_ros.model.loading import load_model, ModelRequest

# Of what the process prints: findings of a bundle that is wrong everywhere.
_LONGEST_ANSWER = 100_000
_PR_SET_PDEATHSIG = 1
# The frames of the node that waits for it go first.
_NICENESS = 10
# First of all it asks to be killed when its parent ends, and looks whether that was before.
_PROGRAM = f"""
import ctypes, os, signal, sys
ctypes.CDLL(None).prctl({_PR_SET_PDEATHSIG}, signal.SIGKILL)
if os.getppid() != int(sys.argv[1]):
    os._exit(1)
from ssd_detector_ros.model.proof import main
main()
"""


@dataclass(frozen=True)
class Budget:
    """
    What a load may cost.

    :param timeout_s: from beginning to end
    :param memory_mb: of the process that tries it
    """

    timeout_s: float
    memory_mb: int


class Proofs:
    """Remembers what was tried, so that a bundle that comes back is loaded at once."""

    def __init__(self) -> None:
        self._proven: set[tuple[str, str]] = set()

    def require(self, request: ModelRequest, budget: Budget) -> None:
        """
        Try a bundle, unless one of the same content was.

        :param request: what to load
        :param budget: what that may cost
        :raises SsdDetectorError: as prove
        """
        try:
            # It has the hashes of all other files, which a load compares.
            manifest = hashlib.sha256(BundleFolder(request.bundle).read(MANIFEST)).hexdigest()
        except (FileError, OSError):
            return  # Nothing can be run; the load says why.
        proof = manifest, _to_json(request)
        if proof not in self._proven:
            prove(request, budget)
            self._proven.add(proof)


def prove(request: ModelRequest, budget: Budget) -> None:
    """
    Load and run a model once elsewhere, on the CPU, and wait for it.

    :param request: what to load
    :param budget: what that may cost
    :raises BundleError: with everything that is wrong
    :raises BackendError: when it costs more, or the process dies
    """
    where = f'{request.bundle}: the process that tried it'
    environment = os.environ | {'CUDA_VISIBLE_DEVICES': '', 'PYTHONSAFEPATH': '1'}
    with subprocess.Popen(
        [
            *(sys.executable, '-c', _PROGRAM, str(os.getpid())),
            *(_to_json(request), str(budget.memory_mb)),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment,
    ) as process:
        try:
            answer, _ = process.communicate(timeout=budget.timeout_s)
        except subprocess.TimeoutExpired as error:
            process.kill()
            raise BackendError(
                f'{where} did not end within {budget.timeout_s:g} s (load_timeout_s); is '
                f'the model one of ours?'
            ) from error
        finally:
            process.kill()
    findings = _read_answer(answer)
    if findings is None:
        raise BackendError(
            f'{where} {_tell_end(process.returncode)}; it had {budget.memory_mb} MB '
            f'(load_memory_mb); is the model one of ours?'
        )
    if findings:
        raise BundleError(findings)


def _to_json(request: ModelRequest) -> str:
    # What TensorRT would run, its GPU and its engines are left to the load that follows.
    on_cpu = {'backend': 'auto'} if request.backend == 'tensorrt' else {}
    if request.precision == 'FP16':
        on_cpu['precision'] = 'FP32'
    fields = asdict(request) | on_cpu | {'bundle': str(request.bundle)}
    return json.dumps(fields | {'verify': 'off' if request.verify == 'off' else 'warn'})


def _read_answer(answer: bytes) -> list[str] | None:
    """Read the last line, behind whatever a library printed; None when there is none of ours."""
    with contextlib.suppress(ValueError, TypeError, KeyError):
        last = answer[-_LONGEST_ANSWER:].strip().rpartition(b'\n')[2]
        return [str(finding) for finding in json.loads(last)['findings']]
    return None


def _tell_end(return_code: int) -> str:
    if return_code < 0:
        with contextlib.suppress(ValueError):
            return f'was ended by {signal.Signals(-return_code).name}'
    return f'ended with {return_code}'


def _tell_memory(finding: str, memory_mb: str) -> str:
    """Say how much there was, where a runtime only says that it was not enough."""
    is_of_memory = 'allocat' in finding or 'bad_alloc' in finding
    return f'{finding}; it had {memory_mb} MB (load_memory_mb)' if is_of_memory else finding


def main() -> None:
    """Be the process: load what the arguments say, and print what is wrong as JSON."""
    _, text, memory_mb = sys.argv[1:]
    os.nice(_NICENESS)
    # What the libraries took when they were imported is not the bundle's.
    used_pages = int(Path('/proc/self/statm').read_text().split()[5])
    limit_bytes = used_pages * resource.getpagesize() + int(memory_mb) * 2**20
    resource.setrlimit(resource.RLIMIT_DATA, (limit_bytes, limit_bytes))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    fields = json.loads(text)
    findings: list[str] = []
    try:
        load_model(ModelRequest(**fields | {'bundle': Path(fields['bundle'])}))
    except SsdDetectorError as error:
        findings = [_tell_memory(finding, memory_mb) for finding in str(error).splitlines()]
    except MemoryError:
        findings = [f'{fields["bundle"]}: takes more than {memory_mb} MB (load_memory_mb)']
    sys.stdout.write(f'\n{json.dumps({"findings": findings})}\n')
    sys.stdout.flush()
    # Threads of libraries have nothing to take down.
    os._exit(0)
