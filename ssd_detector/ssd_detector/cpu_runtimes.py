"""
Which runtime is the fastest for a model file on this processor: measured once, then remembered.

It depends on the chip: OpenVINO and ONNX Runtime tie in float32 on one and are a tenth apart on
another; for INT8 it may be a third. A process of its own measures: it takes the memory of both
runtimes, and a runtime that crashes takes nothing along.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
import json
import logging
import os
from pathlib import Path
import subprocess
import sys

from pydantic import BaseModel, ConfigDict, ValidationError

from ssd_detector.backends.cpu_features import describe_cpu, multiplies_int8_exactly
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT
from ssd_detector.files import cache_folder, FileError, read_file

ONNX_RUNTIME, OPENVINO = 'onnxruntime', 'openvino'
NAMES = {ONNX_RUNTIME: 'ONNX Runtime', OPENVINO: 'OpenVINO'}
PROGRAM = 'ssd_detector.time_runtimes'
# Where nothing can be remembered, each start would measure again.
MEASURE_VARIABLE = 'SSD_MEASURE_RUNTIMES'
_FORBIDDEN = f'{MEASURE_VARIABLE}=0'
# Of the program, with the start of both runtimes on a slow and busy machine.
LONGEST_S = 20
# ONNX Runtime takes half of OpenVINO's memory, and is loaded anyway.
_WORTH_SHARE = 0.03
_RECORD_BYTES = 64 * 1024
_MISSING = (
    'OpenVINO is not installed; on many processors it runs INT8 faster than ONNX Runtime (pip '
    'install openvino)'
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Choice:
    """
    What runs a file on the CPU.

    :param runtime: onnxruntime or openvino
    :param reason: what was measured, or could not be; empty when there was no choice
    """

    runtime: str
    reason: str = ''


class Timings(BaseModel):
    """
    What the program found.

    :param median_ms: runtime -> time of an inference; those with right outputs alone
    :param refused: runtime -> why it does not count
    """

    model_config = ConfigDict(extra='forbid', frozen=True)
    median_ms: dict[str, float]
    refused: dict[str, str] = {}


@dataclass(frozen=True)
class _Key:
    """Everything that the order of runtimes depends on."""

    model_sha256: str
    num_threads: int
    num_cores: int
    processor: str = field(default_factory=describe_cpu)
    versions: Mapping[str, str] = field(default_factory=lambda: _installed_versions())


def choose_runtime(bundle: Bundle, path: Path, *, num_threads: int) -> Choice:
    """
    Choose what runs a model file on the CPU.

    Measures where there are two that may, nothing fitting is remembered, and nobody forbids it.

    :param bundle: that the file is of
    :param path: of the file
    :param num_threads: of one inference; 0 is automatic
    :return: the choice
    """
    is_int8 = path.name in (INT8_CPU, INT8_TRT)
    if is_int8 and not multiplies_int8_exactly():
        return Choice(ONNX_RUNTIME)
    if find_spec(OPENVINO) is None:
        return Choice(ONNX_RUNTIME, _MISSING if is_int8 else '')
    key = _Key(
        model_sha256=bundle.manifest.files[path.name].sha256,
        num_threads=num_threads,
        num_cores=len(os.sched_getaffinity(0)),
    )
    record = _record_path(bundle, path, key)
    timings = _recall(record, key)
    if timings is None and os.environ.get(MEASURE_VARIABLE) == '0':
        return Choice(ONNX_RUNTIME, f'which runtime is faster was not measured ({_FORBIDDEN})')
    if timings is None:
        timings = _run_program(bundle, path, num_threads)
        if timings is None:
            return Choice(ONNX_RUNTIME, 'which runtime is faster could not be measured')
        _remember(record, key, timings)
    return decide(timings)


def decide(timings: Timings) -> Choice:
    """
    Take the fastest; ONNX Runtime where the other one gains less than 3 percent.

    :param timings: that were measured
    :return: the choice, with the figures
    """
    order = sorted(timings.median_ms, key=lambda name: timings.median_ms[name])
    measured = [f'{NAMES.get(name, name)} {timings.median_ms[name]:.2f} ms' for name in order]
    refused = [f'{NAMES.get(name, name)}: {why}' for name, why in sorted(timings.refused.items())]
    reason = f'measured here: {"; ".join([", ".join(measured) or "nothing", *refused])}'
    if not order:
        # Whoever opens it hears why it does not run.
        return Choice(ONNX_RUNTIME, reason)
    best, plain = timings.median_ms[order[0]], timings.median_ms.get(ONNX_RUNTIME)
    is_worth_it = plain is None or best < (1 - _WORTH_SHARE) * plain
    return Choice(order[0] if is_worth_it else ONNX_RUNTIME, reason)


def _installed_versions() -> dict[str, str]:
    found = {}
    # Builds for GPUs have other names, and bring the module all the same.
    for name in (ONNX_RUNTIME, 'onnxruntime-gpu', OPENVINO):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _record_path(bundle: Bundle, path: Path, key: _Key) -> Path | None:
    """Name a record of its own for each content: bundles of one name may take turns."""
    folder = cache_folder('runtimes', bundle.manifest.name)
    name = f'{path.stem}_{key.model_sha256[:12]}_{key.num_threads}_threads.json'
    return folder and folder / name


def _recall(record: Path | None, key: _Key) -> Timings | None:
    if record is None:
        return None
    try:
        tree = json.loads(read_file(record, limit_bytes=_RECORD_BYTES))
        return Timings.model_validate(tree['timings']) if tree['key'] == asdict(key) else None
    except (OSError, FileError, ValueError, ValidationError, KeyError, TypeError, RecursionError):
        return None


def _remember(record: Path | None, key: _Key, timings: Timings) -> None:
    if record is None:
        return
    content = json.dumps({'key': asdict(key), 'timings': timings.model_dump()}, indent=2)
    aside = record.with_name(f'.{record.name}.{os.getpid()}')
    try:
        record.parent.mkdir(parents=True, exist_ok=True)
        aside.write_text(content, encoding='utf-8')
        aside.replace(record)
    except OSError as error:
        logger.info('%s: can not be written (%s); measured again next time', record, error)


def _run_program(bundle: Bundle, path: Path, num_threads: int) -> Timings | None:
    if not sys.executable:
        return None
    words = [sys.executable, '-m', PROGRAM, str(bundle.path), '--model', path.name]
    words += ['--num_threads', str(num_threads), '--json']
    try:
        finished = subprocess.run(
            words, stdin=subprocess.DEVNULL, capture_output=True, timeout=LONGEST_S, check=True
        )
        return Timings.model_validate_json(finished.stdout)
    except (OSError, subprocess.SubprocessError, ValidationError) as error:
        stderr = getattr(error, 'stderr', None) or b''
        said = stderr.decode(errors='replace').strip().splitlines()
        logger.warning('%s: %s', path, said[-1] if said else error)
        return None
