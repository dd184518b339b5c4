"""Reads detections of other programs: the JSON list that COCO's tools call results."""

from collections.abc import Mapping, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np

from ssd_detector.detections import Detections
from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.checks import shorten


def read_detections(
    path: Path, image_ids: Sequence[str], labels: Sequence[str]
) -> dict[str, Detections]:
    """
    Read `[{image_id, category_id, bbox: [x, y, width, height], score}, ...]`.

    :param path: the file
    :param image_ids: of the ground truth; a number in the file means the id of that value
    :param labels: names of the classes 1, 2, ...; category_id counts from 1 in this order
    :return: image id -> detections by falling score
    :raises EvaluationError: with every entry that can't be used
    """
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError) as error:
        raise EvaluationError([f'{path}: can not be read as JSON ({error})']) from error
    if not isinstance(entries, list):
        raise EvaluationError([f'{path}: holds no list; expected COCO results'])
    names = {image_id: image_id for image_id in image_ids}
    names |= {str(int(image_id)): image_id for image_id in image_ids if image_id.isdigit()}
    findings: list[str] = []
    rows: dict[str, list[tuple[float, int, list[float]]]] = {}
    for index, entry in enumerate(entries):
        try:
            image_id, row = _read_entry(entry, names, len(labels))
        except (KeyError, TypeError, ValueError) as error:
            findings.append(f'{path}: entry {index}: {type(error).__name__}: {error}')
            continue
        rows.setdefault(image_id, []).append(row)
    if findings:
        raise EvaluationError(shorten(findings))
    return {image_id: _to_detections(found, labels) for image_id, found in rows.items()}


def _read_entry(
    entry: Any, names: Mapping[str, str], num_classes: int
) -> tuple[str, tuple[float, int, list[float]]]:
    image_id = str(entry['image_id'])
    if image_id not in names:
        raise ValueError(f'image {image_id} is not in the ground truth')
    class_id = int(entry['category_id'])
    if not 1 <= class_id <= num_classes:
        raise ValueError(f'category_id {class_id}: the class list has 1..{num_classes}')
    x, y, width, height = (float(value) for value in entry['bbox'])
    return names[image_id], (float(entry['score']), class_id, [x, y, x + width, y + height])


def _to_detections(
    rows: Sequence[tuple[float, int, list[float]]], labels: Sequence[str]
) -> Detections:
    ordered = sorted(rows, key=lambda row: -row[0])
    return Detections(
        boxes_xyxy=np.array([box for _, _, box in ordered], np.float32),
        scores=np.array([score for score, _, _ in ordered], np.float32),
        class_ids=np.array([class_id for _, class_id, _ in ordered], np.int64),
        labels=[labels[class_id - 1] for _, class_id, _ in ordered],
    )
