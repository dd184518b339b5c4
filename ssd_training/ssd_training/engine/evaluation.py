"""Average precision of a model on a split, in pixels of the original images."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from ssd_detector.detections import Detections
from ssd_detector.evaluation.voc import evaluate_voc, VocResult
from ssd_detector.postprocess import postprocess, Thresholds
from ssd_detector.preprocess import preprocess
from ssd_training.data.records import Record
from ssd_training.experiments.data_schema import EvalSettings

# Images (B, S, S, 3) float32 in [0, 1] -> boxes (B, P, 4) xyxy normalized, scores (B, P, C + 1).
Predict = Callable[[NDArray[np.float32]], tuple[NDArray[np.float32], NDArray[np.float32]]]


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
    thresholds = Thresholds(
        score_threshold=settings.nms.score_threshold,
        nms_iou_threshold=settings.nms.iou_threshold,
        per_class_top_k=settings.nms.per_class_top_k,
        max_detections=settings.nms.max_detections_per_image,
    )
    found = _detect(
        predict,
        records,
        labels=labels,
        thresholds=thresholds,
        size_px=size_px,
        batch_size=batch_size,
    )
    return evaluate_voc(
        dict(found),
        {record.image_id: record.ground_truths for record in records},
        labels=labels,
        iou_threshold=settings.iou_threshold,
        interpolation=settings.interpolation,
    )


def _detect(
    predict: Predict,
    records: Sequence[Record],
    *,
    labels: Sequence[str],
    thresholds: Thresholds,
    size_px: int,
    batch_size: int,
) -> Iterator[tuple[str, Detections]]:
    for first in range(0, len(records), batch_size):
        batch = records[first : first + batch_size]
        images = [preprocess(record.load_image(), size_px) for record in batch]
        boxes, scores = predict(np.concatenate(images))
        for index, record in enumerate(batch):
            yield (
                record.image_id,
                postprocess(
                    boxes[index],
                    scores[index],
                    size_wh=record.size_wh,
                    labels=labels,
                    thresholds=thresholds,
                ),
            )
