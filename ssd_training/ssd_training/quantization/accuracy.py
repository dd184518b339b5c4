"""What the INT8 files lost, in mAP on the same images, and whether that can be told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
import logging
from pathlib import Path

import numpy as np

from ssd_detector.bundles.contents import INT8_CPU, INT8_TRT, MODEL, MODEL_FP16
from ssd_detector.evaluation.bootstrap import compare, PairedBootstrap
from ssd_detector.evaluation.matching import match, Matching
from ssd_training.data.datasets import read_split, read_val_split
from ssd_training.data.images.records import ImageSource, Record
from ssd_training.deployment.build import Build
from ssd_training.evaluation.stages import open_onnx
from ssd_training.experiments.data_schema import DataSettings, EvalSettings
from ssd_training.training.evaluation import detect_records, score_run

_ADVICE = dict.fromkeys(
    (INT8_CPU, INT8_TRT),
    'try another --method, or --auto_exclude, or train for INT8 (exp004_qat)',
) | {MODEL_FP16: 'its numbers leave the range of float16: train with more weight decay'}

logger = logging.getLogger(__name__)

# Where fewer images are all right, every resample is: the interval has no width, and says nothing.
_FEWEST_IMAGES = 20


class Loss(Enum):
    """What can be said of the loss of a file."""

    ALLOWED = 'allowed'
    TOO_MUCH = 'too much'
    UNKNOWN = 'the images are too few'


@dataclass(frozen=True, eq=False)
class Accuracy:
    """
    What one file reaches.

    :param mean_ap: in [0, 1]
    :param matching: of its detections, to compare it with another file on the same images
    """

    mean_ap: float
    matching: Matching


def draw_measured(
    settings: DataSettings, num_images: int | None, *, calibrated: Sequence[ImageSource]
) -> list[Record]:
    """
    Choose the images that files are compared on.

    :param settings: the section `data`
    :param num_images: None takes all; fewer are drawn, always the same ones; 0 takes none
    :param calibrated: images that the ranges were measured on
    :return: of val_split; where there is none, of train_split those that did not calibrate, which
        tell what rounding costs, but not how good the detector is
    :raises DataError: when they can not be read
    """
    if num_images == 0:
        return []
    if settings.val_split is None:
        used = {source.identity for source in calibrated}
        split = read_split(settings, settings.train_split)
        split = [record for record in split if record.image.identity not in used]
    else:
        split = read_val_split(settings)
    order = np.random.default_rng(0).permutation(len(split))[:num_images]
    drawn = [split[index] for index in sorted(order)]
    if settings.val_split is None:
        logger.warning(
            'data.val_split: null; what INT8 costs is measured on %d images of %s that did not '
            'calibrate',
            len(drawn),
            settings.train_split,
        )
    return drawn


def measure_files(
    build: Build,
    names: Sequence[str],
    *,
    records: Sequence[Record],
    settings: EvalSettings,
    labels: tuple[str, ...],
) -> dict[str, Accuracy]:
    """
    Measure the mAP of files of a build.

    :param build: has them
    :param names: of the files
    :param records: of draw_measured; none measures nothing
    :param settings: of the evaluation
    :param labels: names of the classes 1, 2, ...
    :return: by name
    """
    measured = {}
    for name in names if records else ():
        measured[name] = measure(build.file(name), records, settings=settings, labels=labels)
        logger.info('%s: mAP %.4f', name, measured[name].mean_ap)
    return measured


def measure(
    path: Path, records: Sequence[Record], *, settings: EvalSettings, labels: tuple[str, ...]
) -> Accuracy:
    """
    Measure the mAP of an ONNX file, as its runtime computes it.

    :param path: the file
    :param records: the images
    :param settings: of the evaluation
    :param labels: names of the classes 1, 2, ...
    :return: what it reaches
    """
    run = detect_records(open_onnx(path, labels), records, settings)
    return Accuracy(
        mean_ap=score_run(run, records, settings, labels).mean_ap,
        matching=match(
            run.detections,
            {record.image_id: record.ground_truths for record in records},
            labels,
        ),
    )


def find_losses(
    measured: Mapping[str, Accuracy], settings: EvalSettings, max_loss: float
) -> list[str]:
    """
    Say which file lost more than it may; where the images are too few to tell, none did.

    :param measured: of measure_files; empty when nothing was measured
    :param settings: of the evaluation
    :param max_loss: points of mAP
    :return: a sentence a file; what can't be told is logged
    """
    findings = []
    for name in [name for name in measured if name != MODEL]:
        comparison = compare(
            measured[MODEL].matching,
            measured[name].matching,
            iou_threshold=settings.iou_threshold,
            interpolation=settings.interpolation,
        )
        num_images = len(measured[name].matching.image_ids)
        loss, text = judge_loss(comparison, max_loss, num_images)
        if loss is Loss.TOO_MUCH:
            findings.append(f'{name}: {text}; {_ADVICE[name]}')
        else:
            log = logger.warning if loss is Loss.UNKNOWN else logger.info
            log('%s: %s', name, text)
    return findings


def judge_loss(comparison: PairedBootstrap, max_loss: float, num_images: int) -> tuple[Loss, str]:
    """
    Judge a loss by its interval, not by a bare difference.

    :param comparison: of the float32 file with an INT8 file
    :param max_loss: points of mAP that are allowed
    :param num_images: that both were scored on
    :return: the judgement, and a sentence with loss, interval and limit
    """
    loss, low, high = (
        0.0 - 100 * value for value in (comparison.difference, comparison.high, comparison.low)
    )
    text = (
        f'loses {loss:.2f} points of mAP ({100 * comparison.confidence:g} % interval {low:.2f} to '
        f'{high:.2f}, {num_images} images); {max_loss:g} are allowed'
    )
    if low > max_loss:
        return Loss.TOO_MUCH, text
    if high > max_loss or num_images < _FEWEST_IMAGES:
        return Loss.UNKNOWN, f'{text}: {num_images} images can not tell; more would'
    return Loss.ALLOWED, text
