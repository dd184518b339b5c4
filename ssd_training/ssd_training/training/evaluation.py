"""Average precision of a model on a split, in pixels of the original images."""

from collections.abc import Callable, Sequence
from typing import TypeVar

from ssd_detector.backends.backend import Predict
from ssd_detector.evaluation.analysis import analyse, Analysis
from ssd_detector.evaluation.voc import evaluate_voc, VocResult
from ssd_detector.many_images import (
    detect_all,
    DetectionRun,
    Model,
    OnProgress,
    Picture,
)
from ssd_detector.postprocess import Thresholds
from ssd_training.data.images.records import Record
from ssd_training.experiments.data_schema import EvalSettings, NmsSettings

__all__ = [
    'analyse_records',
    'detect_records',
    'evaluate_split',
    'score_run',
]

_Verdict = TypeVar('_Verdict', VocResult, Analysis)


def evaluate_split(
    predict: Predict,
    records: Sequence[Record],
    settings: EvalSettings,
    *,
    labels: Sequence[str],
    size_px: int,
    batch_size: int,
) -> VocResult:
    """
    Detect in every image of a split and score the detections with the core's evaluator.

    :param predict: the model
    :param records: of the split
    :param settings: the section `eval`
    :param labels: names of the classes 1, 2, ...
    :param size_px: side of the model's input
    :param batch_size: images given to the model at once
    :return: AP by label and its mean
    """
    model = Model(predict, size_px, batch_size, tuple(labels))
    return score_run(detect_records(model, records, settings), records, settings, labels)


def detect_records(
    model: Model,
    records: Sequence[Record],
    settings: EvalSettings,
    on_progress: OnProgress | None = None,
) -> DetectionRun:
    """
    Detect in every image of a split.

    :param model: the model
    :param records: of the split
    :param settings: the section `eval`
    :param on_progress: called with images done and images in all
    :return: detections by image id, and times
    """
    pictures = [Picture(record.image_id, record.size_wh, record.load_image) for record in records]
    return detect_all(model, pictures, make_thresholds(settings.nms), on_progress=on_progress)


def score_run(
    run: DetectionRun, records: Sequence[Record], settings: EvalSettings, labels: Sequence[str]
) -> VocResult:
    """
    Score what was detected.

    :param run: from detect_records
    :param records: of the split
    :param settings: the section `eval`
    :param labels: names of the classes 1, 2, ...
    :return: AP by label and its mean
    :raises EvaluationError: with everything that can't be scored
    """
    return _judge(evaluate_voc, run, records, settings, labels)


def analyse_records(
    run: DetectionRun, records: Sequence[Record], settings: EvalSettings, labels: Sequence[str]
) -> Analysis:
    """
    Tell everything about what was detected.

    :param run: from detect_records
    :param records: of the split
    :param settings: the section `eval`
    :param labels: names of the classes 1, 2, ...
    :return: see Analysis
    :raises EvaluationError: with everything that can't be scored
    """
    return _judge(analyse, run, records, settings, labels)


def _judge(
    judge: Callable[..., _Verdict],
    run: DetectionRun,
    records: Sequence[Record],
    settings: EvalSettings,
    labels: Sequence[str],
) -> _Verdict:
    return judge(
        run.detections,
        {record.image_id: record.ground_truths for record in records},
        labels=labels,
        iou_threshold=settings.iou_threshold,
        interpolation=settings.interpolation,
        sizes_wh={record.image_id: record.size_wh for record in records},
    )


def make_thresholds(nms: NmsSettings) -> Thresholds:
    """
    Say in the core's words which boxes are scored.

    :param nms: section `eval.nms`
    :return: the same
    """
    return Thresholds(
        score_threshold=nms.score_threshold,
        nms_iou_threshold=nms.iou_threshold,
        per_class_top_k=nms.per_class_top_k,
        max_detections=nms.max_detections_per_image,
    )
