"""What the INT8 files lost, in mAP on the validation split."""

from collections.abc import Sequence
import logging
from pathlib import Path

import numpy as np

from ssd_detector.bundle import MODEL
from ssd_training.data.datasets import read_split
from ssd_training.deploy.build import Build
from ssd_training.deploy.quantization import FILE_NAMES
from ssd_training.engine.evaluation import evaluate_split
from ssd_training.evaluation.stages import open_onnx
from ssd_training.experiments.schema import ExperimentConfig

logger = logging.getLogger(__name__)


def measure_files(
    build: Build, config: ExperimentConfig, names: Sequence[str], num_images: int | None
) -> dict[str, float]:
    """
    Measure the mAP of files of a build.

    :param build: has them
    :param config: the experiment
    :param names: of the files
    :param num_images: see measure_map; 0 measures nothing
    :return: <name>/mAP -> mean AP, in [0, 1]
    """
    metrics = {}
    for name in names if num_images != 0 else ():
        metrics[f'{name}/mAP'] = measure_map(build.file(name), config, num_images)
        logger.info('%s: mAP %.4f', name, metrics[f'{name}/mAP'])
    return metrics


def measure_map(path: Path, config: ExperimentConfig, num_images: int | None) -> float:
    """
    Measure the mAP of an ONNX file on the validation split, as its runtime computes it.

    :param path: the file
    :param config: the experiment
    :param num_images: None takes all; fewer are drawn, always the same ones
    :return: mean AP, in [0, 1]
    """
    records = read_split(config.data, config.data.val_split)
    order = np.random.default_rng(0).permutation(len(records))[:num_images]
    model = open_onnx(path, config.data.labels)
    return evaluate_split(
        model.predict,
        [records[index] for index in sorted(order)],
        config.eval,
        labels=config.data.labels,
        size_px=config.input_size[0],
        batch_size=1,
    ).mean_ap


def find_losses(metrics: dict[str, float], max_loss: float) -> list[str]:
    """
    Say which INT8 file lost more than it may.

    :param metrics: of measure_files; empty when nothing was measured
    :param max_loss: points of mAP
    :return: a sentence a file
    """
    findings = []
    for name in FILE_NAMES.values() if metrics else ():
        loss = 100 * (metrics[f'{MODEL}/mAP'] - metrics[f'{name}/mAP'])
        if loss > max_loss:
            findings.append(
                f'{name}: loses {loss:.2f} points of mAP; {max_loss:g} are allowed; try another '
                f'--method, or --auto-exclude, or train for INT8 (exp004_qat)'
            )
    return findings
