"""Reads detections of other programs: the JSON list that COCO's tools call results."""

from collections.abc import Iterator, Mapping, Sequence
import json
from pathlib import Path
from typing import Any

import numpy as np

from ssd_detector.detections import Detections
from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.checks import shorten

_KEYS = ('image_id', 'category_id', 'bbox', 'score')
_HUGE = 1e9

Row = tuple[float, int, list[float]]


def read_detections(
    path: Path, image_ids: Sequence[str], labels: Sequence[str]
) -> dict[str, Detections]:
    """
    Read `[{image_id, category_id, bbox: [x, y, width, height], score}, ...]`.

    :param path: the file
    :param image_ids: of the ground truth; a number in the file means the id of that value
    :param labels: names of the classes 1, 2, ...; category_id counts from 1 in this order
    :return: image id -> detections by falling score
    :raises EvaluationError: with everything in every entry that can't be used
    """
    entries = _read_list(path)
    names = {str(int(image_id)): image_id for image_id in image_ids if image_id.isdecimal()}
    names |= {image_id: image_id for image_id in image_ids}
    findings = [
        f'{path}: entry {index}: {finding}'
        for index, entry in enumerate(entries)
        for finding in _check_entry(entry, names, len(labels))
    ]
    if findings:
        raise EvaluationError(shorten(findings))
    rows: dict[str, list[Row]] = {}
    for entry in entries:
        x, y, width, height = entry['bbox']
        row = entry['score'], int(entry['category_id']), [x, y, x + width, y + height]
        rows.setdefault(names[str(entry['image_id'])], []).append(row)
    return {image_id: _to_detections(found, labels) for image_id, found in rows.items()}


def _read_list(path: Path) -> list[Any]:
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError([f'{path}: can not be read as JSON ({error})']) from error
    if not isinstance(entries, list):
        raise EvaluationError([f'{path}: holds no list; expected COCO results'])
    return entries


def _check_entry(entry: Any, names: Mapping[str, str], num_classes: int) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f'is {entry!r:.60}; expected an object with {", ".join(_KEYS)}'
        return
    if missing := [key for key in _KEYS if key not in entry]:
        yield f'{", ".join(missing)} missing; expected {", ".join(_KEYS)}'
        return
    image_id, class_id, box, score = (entry[key] for key in _KEYS)
    if str(image_id) not in names:
        yield f'image_id {image_id!r:.60} is not in the ground truth; score the split detected'
    # A fraction would become another class if it were cut off.
    if not (_is_number(class_id) and class_id in range(1, num_classes + 1)):
        yield (
            f'category_id {class_id!r:.60}: expected a whole number; the class list has '
            f'1..{num_classes}'
        )
    is_box = isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))
    if not is_box or box[2] <= 0 or box[3] <= 0:
        yield f'bbox {box!r:.80}: expected x, y, and a width and height above 0, in px'
    if not (_is_number(score) and 0 <= score <= 1):
        yield f'score {score!r:.60}: expected a number in [0, 1]'


def _is_number(value: Any) -> bool:
    # NaN compares as false; JSON's true is no number, although Python's is.
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) < _HUGE


def _to_detections(rows: Sequence[Row], labels: Sequence[str]) -> Detections:
    ordered = sorted(rows, key=lambda row: -row[0])
    return Detections(
        boxes_xyxy=np.array([box for _, _, box in ordered], np.float32),
        scores=np.array([score for score, _, _ in ordered], np.float32),
        class_ids=np.array([class_id for _, class_id, _ in ordered], np.int64),
        labels=[labels[class_id - 1] for _, class_id, _ in ordered],
    )
