"""Reads detections of other programs: the JSON list that COCO's tools call results."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
import json
from pathlib import Path
from typing import Any

import numpy as np

from ssd_detector.detections import Detections
from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.checks import shorten
from ssd_detector.evaluation.image_names import find_image, name_images
from ssd_detector.files import FileError, read_file

_KEYS = ('image_id', 'category_id', 'bbox', 'score')
_HUGE = 1e9
_MOST_DIGITS = 18
# Some ten million detections.
_MAX_BYTES = 2 * 2**30
_SHOWN = 5

Row = tuple[float, int, list[float]]


@dataclass(frozen=True, eq=False)
class Targets:
    """
    What the entries of a file may speak of.

    :param file_names: image id -> path of the image, or any text where it has none
    :param class_ids: category id, as text -> number of the class, from 1; None for a category
        that is known and not scored
    :param labels: names of the classes 1, 2, ...
    """

    file_names: Mapping[str, str]
    class_ids: Mapping[str, int | None]
    labels: Sequence[str]


@dataclass(frozen=True, eq=False)
class DetectionsFile:
    """
    What a file holds.

    :param detections: image id -> detections by falling score
    :param left_out: a sentence for each kind of entry that is not scored, with its number
    """

    detections: dict[str, Detections]
    left_out: tuple[str, ...]


def number_labels(labels: Sequence[str]) -> dict[str, int | None]:
    """
    Let category ids count from 1 in the order of the labels, where no file says otherwise.

    :param labels: names of the classes 1, 2, ...
    :return: for Targets
    """
    return {str(class_id): class_id for class_id in range(1, len(labels) + 1)}


def read_detections(path: Path, targets: Targets) -> DetectionsFile:
    """
    Read `[{image_id, category_id, bbox: [x, y, width, height], score}, ...]`.

    An image is named by its id, as a number or a text, or by its file, with any folders before it,
    with slashes of any system. Entries of other images and categories are left out and counted.

    :param path: the file
    :param targets: images and categories
    :return: what can be scored
    :raises EvaluationError: with everything in every entry that can't be used; or when no entry is
        of the images, or none of the categories
    """
    entries = _read_list(path)
    findings = [
        f'{path}: entry {index}: {finding}'
        for index, entry in enumerate(entries)
        for finding in _check_entry(entry)
    ]
    if findings:
        raise EvaluationError(shorten(findings))
    found = _sort(entries, targets)
    _check_matches(path, found, targets)
    detections = {
        image_id: _to_detections(rows, targets.labels) for image_id, rows in found.rows.items()
    }
    return DetectionsFile(detections, tuple(_describe_left_out(path, found)))


@dataclass(eq=False)
class _Sorted:
    """Entries by image, and what is not of the ground truth."""

    num_entries: int
    rows: dict[str, list[Row]] = field(default_factory=dict)
    strange_images: list[str] = field(default_factory=list)
    strange_categories: list[str] = field(default_factory=list)
    num_unscored: int = 0


def _sort(entries: Sequence[Any], targets: Targets) -> _Sorted:
    names = name_images(targets.file_names)
    image_of = {
        name: find_image(name, names) for name in {str(entry['image_id']) for entry in entries}
    }
    found = _Sorted(len(entries))
    for entry in entries:
        image_id, category = image_of[str(entry['image_id'])], _to_key(entry['category_id'])
        if image_id is None:
            found.strange_images.append(str(entry['image_id']))
        if category not in targets.class_ids:
            found.strange_categories.append(category)
        elif (class_id := targets.class_ids[category]) is None:
            found.num_unscored += 1
        elif image_id is not None:
            x, y, width, height = entry['bbox']
            row = entry['score'], class_id, [x, y, x + width, y + height]
            found.rows.setdefault(image_id, []).append(row)
    return found


def _describe_left_out(path: Path, found: _Sorted) -> Iterator[str]:
    for what, strange in (
        ('images', found.strange_images),
        ('categories', found.strange_categories),
    ):
        if strange:
            yield (
                f'{path}: {len(strange)} of {found.num_entries} entries are of {what} that the '
                f'ground truth does not have ({_list_some(strange)}); left out'
            )
    if found.num_unscored:
        yield (
            f'{path}: {found.num_unscored} of {found.num_entries} entries are of categories that '
            f'are not in data.labels; left out'
        )


def _check_matches(path: Path, found: _Sorted, targets: Targets) -> None:
    """Refuse a file whose entries are all of something else: it would score 0."""
    findings = []
    if found.num_entries and len(found.strange_images) == found.num_entries:
        findings.append(
            f'{path}: none of its images ({_list_some(found.strange_images)}) is in the ground '
            f'truth, which has {_list_some(list(targets.file_names))}; score the split that was '
            f'detected'
        )
    if found.num_entries and len(found.strange_categories) == found.num_entries:
        findings.append(
            f'{path}: none of its category ids ({_list_some(found.strange_categories)}) is one of '
            f'the ground truth ({_list_some(list(targets.class_ids))}); write those of its '
            f'annotation file'
        )
    if findings:
        raise EvaluationError(findings)


def _list_some(names: Sequence[str]) -> str:
    some = list(dict.fromkeys(names))
    return ', '.join(f'{name:.60}' for name in some[:_SHOWN]) + (
        ', ...' if len(some) > _SHOWN else ''
    )


def _read_list(path: Path) -> list[Any]:
    try:
        entries = json.loads(read_file(path, limit_bytes=_MAX_BYTES))
    except FileError as error:
        raise EvaluationError([str(error)]) from error
    except (OSError, ValueError, RecursionError) as error:
        raise EvaluationError([f'{path}: can not be read as JSON ({error})']) from error
    if not isinstance(entries, list):
        raise EvaluationError([f'{path}: holds no list; expected COCO results'])
    return entries


def _check_entry(entry: Any) -> Iterator[str]:
    if not isinstance(entry, dict):
        yield f'is {entry!r:.60}; expected an object with {", ".join(_KEYS)}'
        return
    if missing := [key for key in _KEYS if key not in entry]:
        yield f'{", ".join(missing)} missing; expected {", ".join(_KEYS)}'
        return
    image_id, category, box, score = (entry[key] for key in _KEYS)
    if isinstance(image_id, bool) or not isinstance(image_id, int | str):
        yield f'image_id {image_id!r:.60}: expected a whole number or a text'
    # A fraction would become another class if it were cut off.
    if not _to_key(category):
        yield f'category_id {category!r:.60}: expected a whole number'
    is_box = isinstance(box, list) and len(box) == 4 and all(map(_is_number, box))
    if not is_box or box[2] <= 0 or box[3] <= 0:
        yield f'bbox {box!r:.80}: expected x, y, and a width and height above 0, in px'
    if not (_is_number(score) and 0 <= score <= 1):
        yield f'score {score!r:.60}: expected a number in [0, 1]'


def _to_key(category: Any) -> str:
    """Write a category id as text, 7 as 7.0 and "7"; empty for what is no whole number."""
    is_text = isinstance(category, str) and len(category) <= _MOST_DIGITS
    if is_text and category.strip().isdecimal():
        category = int(category)
    is_whole = _is_number(category) and int(category) == category
    return str(int(category)) if is_whole else ''


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
