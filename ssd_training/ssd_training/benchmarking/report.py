"""A benchmark of a bundle: which runs, what they took, and whether `auto` chooses well."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
import itertools
import os
from pathlib import Path
import platform
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.backend_selection import BackendRequest, open_backend
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.contents import INT8_CPU, PARITY
from ssd_detector.preprocess import preprocess
from ssd_detector.proofs.parity_file import read_parity
from ssd_training.benchmarking.candidates import list_candidates
from ssd_training.benchmarking.timing import measure, NUM_WARM_UP, open_all, Task, Timing
from ssd_training.data.sampling import draw_image, find_images, load_images

_CAMERA_SIZE_WH = (640, 480)
_MAX_IMAGES = 16
_SEED = 0


@dataclass(frozen=True)
class BenchmarkOptions:
    """
    What is measured.

    :param saved_model: what the bundle was converted from, for TensorFlow and LiteRT
    :param threads: numbers of threads of an inference
    :param batch_sizes: images at once
    :param num_rounds: that count
    :param images: a folder; None takes the images of parity.npz, stretched to 640x480
    """

    saved_model: Path
    threads: tuple[int, ...] = (1,)
    batch_sizes: tuple[int, ...] = (1,)
    num_rounds: int = 100
    images: Path | None = None

    @property
    def total_rounds(self) -> int:
        """Rounds of all settings, with those that warm up."""
        num_settings = len(self.threads) * len(self.batch_sizes)
        return num_settings * (self.num_rounds + NUM_WARM_UP)


def run_benchmark(
    bundle: Bundle,
    options: BenchmarkOptions,
    on_round: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """
    Measure everything that runs here.

    :param bundle: from load_bundle
    :param options: see BenchmarkOptions
    :param on_round: called after each round
    :return: plain values: machine, timings, absent, auto
    :raises DataError: when the folder holds no images or broken ones
    """
    images_rgb = _read_images(bundle, options.images)
    size_px = bundle.manifest.input_size_px
    samples = np.concatenate([preprocess(image, size_px) for image in images_rgb])
    timings: list[Timing] = []
    absent: list[dict[str, Any]] = []
    opencv_threads = cv2.getNumThreads()
    try:
        for num_threads in options.threads:
            # Else OpenCV resizes and detects with all cores.
            cv2.setNumThreads(num_threads)
            candidates = list_candidates(
                bundle, options.saved_model, samples, num_threads=num_threads
            )
            for batch_size in options.batch_sizes:
                task = Task(
                    images_rgb, size_px, batch_size, num_threads, bundle.labels, bundle.thresholds
                )
                ready, reasons = open_all(candidates, task.input_images(0))
                timings += measure(ready, task, num_rounds=options.num_rounds, on_round=on_round)
                setting = {'num_threads': num_threads, 'batch_size': batch_size}
                absent += [
                    {**candidate.to_json(), **setting, 'reason': reason}
                    for candidate, reason in reasons.items()
                ]
    finally:
        cv2.setNumThreads(opencv_threads)
    return {
        'bundle': str(bundle.path),
        'machine': f'{platform.machine()}, {os.cpu_count()} CPUs, {platform.system()}',
        'images': f'{len(images_rgb)} of {images_rgb[0].shape[1]}x{images_rgb[0].shape[0]} px',
        'num_rounds': options.num_rounds,
        'timings': [timing.to_json() for timing in timings],
        'absent': absent,
        'auto': _judge_auto(bundle, timings),
    }


def format_report(report: dict[str, Any]) -> str:
    """
    Word a report.

    :param report: from run_benchmark
    :return: a table, what is absent, and what `auto` takes
    """
    lines = [
        f'{report["bundle"]}: {report["images"]}, {report["num_rounds"]} rounds, '
        f'{report["machine"]}',
        f'{"times in ms":<40}{"threads":>8}{"batch":>6}{"pre":>7}{"inference p50":>15}{"p95":>7}'
        f'{"p99":>7}{"post":>7}{"images/s":>10}{"same boxes":>12}',
    ]
    for row in report['timings']:
        pre, inference, post = row['stages_ms'].values()
        lines.append(
            f'{_name(row):<40}{row["num_threads"]:>8}{row["batch_size"]:>6}{pre["p50"]:>7.2f}'
            f'{inference["p50"]:>15.2f}{inference["p95"]:>7.2f}{inference["p99"]:>7.2f}'
            f'{post["p50"]:>7.2f}{row["images_per_s"]:>10.1f}'
            f'{row["num_agreed"]:>9}/{row["num_expected"]}'
        )
    lines += [
        f'absent: {_name(row)}, {_setting(row)}: {row["reason"]}' for row in report['absent']
    ]
    lines += [
        f'{verdict["precision"]}, {_setting(verdict)}: fastest is {verdict["fastest"]}; '
        f'backend auto takes {verdict["auto"]} ({verdict["slower_percent"]:+.1f} %)'
        for verdict in report['auto']
    ]
    return '\n'.join(lines)


def _name(row: Mapping[str, Any]) -> str:
    return f'{row["runtime"]} {row["precision"]}, {row["file"]}'


def _setting(row: Mapping[str, Any]) -> str:
    return f'threads {row["num_threads"]}, batch {row["batch_size"]}'


def _read_images(bundle: Bundle, folder: Path | None) -> list[NDArray[np.uint8]]:
    if folder is not None:
        return load_images(find_images(folder, _MAX_IMAGES, _SEED))
    if PARITY in bundle.manifest.files:
        images = list(read_parity(bundle).images_rgb)
    else:
        images = [draw_image(bundle.manifest.input_size_px, seed) for seed in range(4)]
    return [np.asarray(cv2.resize(image, _CAMERA_SIZE_WH), np.uint8) for image in images]


def _judge_auto(bundle: Bundle, timings: Sequence[Timing]) -> list[dict[str, Any]]:
    """Compare what `backend: auto` takes with the fastest, per precision and setting."""
    verdicts = []
    settings = sorted({(timing.num_threads, timing.batch_size) for timing in timings})
    for precision, setting in itertools.product(('FP32', 'INT8'), settings):
        if precision == 'INT8' and INT8_CPU not in bundle.manifest.models:
            continue
        request = BackendRequest(precision=precision, num_threads=setting[0], engine_build='off')
        chosen = open_backend(bundle, request).description
        same = [
            timing
            for timing in timings
            if (timing.num_threads, timing.batch_size) == setting
            and timing.candidate.precision == precision
        ]
        auto = [timing for timing in same if _is_same(timing, chosen)]
        if not auto:
            continue
        best = min(same, key=lambda timing: timing.inference_ms)
        verdicts.append(
            {
                'precision': precision,
                'num_threads': setting[0],
                'batch_size': setting[1],
                'fastest': best.candidate.name,
                'auto': auto[0].candidate.name,
                'slower_percent': 100 * (auto[0].inference_ms / best.inference_ms - 1),
            }
        )
    return verdicts


def _is_same(timing: Timing, description: str) -> bool:
    runtime, file = timing.candidate.runtime, timing.candidate.file
    return description.startswith(runtime) and description.endswith(file)
