"""What follows once a bundle is there: verification, engine, prediction, benchmark."""

import argparse
from collections.abc import Iterator
import json
from pathlib import Path

from ssd_detector import Detector
from ssd_detector.backend_selection import BackendRequest
from ssd_detector.backends.tensorrt.api import BuildOptions, load_module
from ssd_detector.build_engine import build_for_bundle
from ssd_detector.bundles.bundle import Bundle
from ssd_detector.bundles.deploy_config import BenchmarkSettings, PredictionSettings
from ssd_detector.errors import BackendError
from ssd_detector.printable import printable
from ssd_detector.verify import verify_bundle
from ssd_training.benchmarking.report import BenchmarkOptions, format_report, run_benchmark
from ssd_training.deployment.build import Build, SAVED_MODEL
from ssd_training.errors import DataError, ExportError
from ssd_training.prediction.opening import open_frame_source
from ssd_training.prediction.predictions import predict, Prediction
from ssd_training.prediction.tally import Tally

_PREDICTIONS = 'predictions'
_BENCHMARK = 'benchmark.json'


def after_bundle(bundle: Bundle, build: Build, arguments: argparse.Namespace) -> Iterator[str]:
    """
    Run the steps after the bundle, as far as this machine and the deploy config allow.

    :param bundle: just written
    :param build: that it comes from
    :param arguments: of add_engine
    :return: what to tell, as it comes
    :raises ExportError: when a file does not give what parity.npz holds
    :raises DataError: when a picture can't be predicted
    """
    yield from _verify(bundle)
    try:
        yield f'engine: {build_engine(bundle, arguments)}'
    except BackendError as error:
        yield f'engine: not built: {error}'
    deploy = build.deploy.deploy
    if deploy.prediction is not None:
        yield from _predict(bundle, build, deploy.prediction)
    if deploy.benchmark is not None:
        yield from _benchmark(bundle, build, deploy.benchmark)


def build_engine(bundle: Bundle, arguments: argparse.Namespace) -> Path:
    """
    Build the engine of the bundle's own precision.

    :param bundle: from load_bundle
    :param arguments: of add_engine
    :return: the engine's path
    :raises BackendError: where there is no TensorRT or no GPU, or TensorRT refuses the file
    """
    precision = bundle.config.deploy.runtime.precision
    options = BuildOptions(precision, arguments.workspace_mib, arguments.timing_cache)
    return build_for_bundle(bundle, load_module(), options, folder=arguments.engine_folder)


def _verify(bundle: Bundle) -> Iterator[str]:
    results = [
        verify_bundle(bundle, BackendRequest(backend='onnxruntime', model=name))
        for name in bundle.manifest.models
    ]
    yield from map(str, results)
    if not all(result.is_good for result in results):
        raise ExportError([f'{bundle.path}: a file does not give what parity.npz holds'])


def _predict(bundle: Bundle, build: Build, settings: PredictionSettings) -> Iterator[str]:
    folder = build.path / _PREDICTIONS
    source = open_frame_source(settings.source, folder)
    detector = Detector.from_bundle(bundle.path, engine_build='off')
    tally = Tally()
    for found in predict(detector, source, folder, max_frames=settings.max_frames):
        tally.add(found)
        if isinstance(found, Prediction):
            yield str(found)
    faults = tally.describe_faults()
    if not tally.is_good:
        raise DataError([*faults, f'deploy.prediction.source: {tally.summarize()}'])
    yield from map(printable, faults)
    yield f'annotated: {folder}'


def _benchmark(bundle: Bundle, build: Build, settings: BenchmarkSettings) -> Iterator[str]:
    options = BenchmarkOptions(
        saved_model=build.path / SAVED_MODEL,
        threads=settings.threads,
        batch_sizes=settings.batch_sizes,
        num_rounds=settings.num_rounds,
    )
    report = run_benchmark(bundle, options)
    (build.path / _BENCHMARK).write_text(json.dumps(report, indent=2), encoding='utf-8')
    yield format_report(report)
