"""
The twelve figures of COCO, by a library: faster-coco-eval (pycocotools' numbers, in C++).

Difficult objects are COCO's crowds. A crowd is neither hit nor missed, and any number of
detections may belong to it; its overlap is the share of the *detection* that lies in it, which is
more lenient than the devkit's IoU. Areas are those of the boxes: files with masks give others.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ssd_detector.boxes import areas
from ssd_detector.detections import Detections
from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.ground_truths import GroundTruths


@dataclass(frozen=True)
class CocoResult:
    """
    What COCO's tools print; NaN where there is nothing to find.

    :param ap: average precision at 101 recalls, mean over classes and IoU 0.50, 0.55, ..., 0.95
    :param ap_50: at IoU 0.5
    :param ap_75: at IoU 0.75
    :param ap_small: of objects below 32 * 32 px
    :param ap_medium: of objects up to 96 * 96 px
    :param ap_large: of larger ones
    :param ar_1: recall with one detection of a class and image, mean as in ap
    :param ar_10: with 10
    :param ar_100: with 100
    :param ar_small: with 100, of small objects
    :param ar_medium: likewise
    :param ar_large: likewise
    :param ap_by_label: ap of each class
    """

    ap: float
    ap_50: float
    ap_75: float
    ap_small: float
    ap_medium: float
    ap_large: float
    ar_1: float
    ar_10: float
    ar_100: float
    ar_small: float
    ar_medium: float
    ar_large: float
    ap_by_label: dict[str, float]


def score_coco(
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    labels: Sequence[str],
) -> CocoResult:
    """
    Score detections that check_inputs accepted.

    :param detections: image id -> detections; an image that is not there has none
    :param ground_truths: image id -> objects; every image of the split is there
    :param labels: C texts, the names of classes 1..C
    :raises EvaluationError: when the library is not installed
    """
    make_dataset, make_evaluation = _import_library()
    head: dict[str, Any] = {
        'images': [{'id': index} for index in range(len(ground_truths))],
        'categories': [
            {'id': class_id, 'name': label} for class_id, label in enumerate(labels, start=1)
        ],
    }
    objects = list(_list_objects(ground_truths))
    found = list(_list_detections(detections, ground_truths))
    evaluation = make_evaluation(
        make_dataset(head | {'annotations': objects}),
        make_dataset(head | {'annotations': found}),
        'bbox',
        print_function=_say_nothing,
    )
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return _read_result(evaluation, labels)


def _import_library() -> tuple[Any, Any]:
    try:
        from faster_coco_eval.core.coco import COCO
        from faster_coco_eval.core.faster_eval_api import COCOeval_faster
    except ImportError as error:
        raise EvaluationError(
            [
                'COCO figures need faster-coco-eval, which can not be imported '
                f'({error}); pip install "faster-coco-eval>=1.6"'
            ]
        ) from error
    return COCO, COCOeval_faster


def _read_result(evaluation: Any, labels: Sequence[str]) -> CocoResult:
    # (IoU, recall, class, area, limit); -1 is a class without objects.
    precision = evaluation.eval['precision'][:, :, :, 0, -1].reshape(-1, 101, len(labels))
    by_class = np.where(precision[0, 0] > -1, precision.mean(axis=(0, 1)), np.nan)
    stats = np.where(evaluation.stats == -1, np.nan, evaluation.stats).tolist()
    # The fields stand in the order of COCO's tools; this one goes on with figures of its own.
    names = [field.name for field in fields(CocoResult)][:12]
    figures: dict[str, float] = dict(zip(names, stats[:12], strict=True))
    ap_by_label = dict(zip(labels, by_class.tolist(), strict=True))
    return CocoResult(**figures, ap_by_label=ap_by_label)


def _list_objects(ground_truths: Mapping[str, GroundTruths]) -> Iterator[dict[str, Any]]:
    # 0 as id of an object means "none" to the tools.
    object_id = 1
    for image, truth in enumerate(ground_truths.values()):
        rows = _to_fields(image, truth.boxes_xyxy, truth.class_ids)
        for row, is_difficult in zip(rows, truth.is_difficult.tolist(), strict=True):
            yield row | {'id': object_id, 'iscrowd': int(is_difficult)}
            object_id += 1


def _list_detections(
    detections: Mapping[str, Detections], ground_truths: Mapping[str, GroundTruths]
) -> Iterator[dict[str, Any]]:
    detection_id = 1
    for image, image_id in enumerate(ground_truths):
        found = detections.get(image_id) or Detections.empty()
        rows = _to_fields(image, found.boxes_xyxy, found.class_ids)
        for row, score in zip(rows, found.scores.tolist(), strict=True):
            yield row | {'id': detection_id, 'iscrowd': 0, 'score': score}
            detection_id += 1


def _to_fields(
    image: int, boxes_xyxy: NDArray[np.float32], class_ids: NDArray[np.int64]
) -> Iterator[dict[str, Any]]:
    boxes = boxes_xyxy.astype(np.float64)
    boxes_xywh = np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)
    rows = zip(boxes_xywh.tolist(), areas(boxes).tolist(), class_ids.tolist(), strict=True)
    for box_xywh, area_px2, class_id in rows:
        yield {'image_id': image, 'category_id': class_id, 'bbox': box_xywh, 'area': area_px2}


def _say_nothing(*_: object) -> None:
    """Take what the library would print."""
