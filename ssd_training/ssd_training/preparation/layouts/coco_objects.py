"""The objects of a COCO file, whatever its writer made of numbers."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
import math
from pathlib import Path
from typing import Any

from ssd_detector.evaluation.crowds import read_crowd
from ssd_detector.printable import shown
from ssd_training.data.annotations.annotations import AnnotatedObject, Finding
from ssd_training.data.annotations.boxes import Box, turn_box
from ssd_training.data.sources.coco import read_turn

Tree = Mapping[str, Any]
_SHOWN = 60


@dataclass(frozen=True)
class Objects:
    """
    The objects of a COCO file.

    :param by_image: id of a picture -> its objects
    :param unread: ids of the pictures with objects that can't be read
    """

    by_image: Mapping[str, Sequence[AnnotatedObject]]
    unread: Collection[str]


def read_objects(
    path: Path, tree: Tree, names: Mapping[str, str], findings: list[Finding]
) -> Objects:
    """
    Sort the objects by picture; numbers of pictures and classes may be texts.

    :param path: of the file
    :param tree: its content
    :param names: number of a class -> its name
    :param findings: gets what can't be read
    :return: the objects
    """
    files = {
        plain(image.get('id')): str(image.get('file_name'))[:_SHOWN]
        for image in tree['images']
        if isinstance(image, dict)
    }
    annotations = tree.get('annotations')
    if not isinstance(annotations, list):
        text = f'annotations: received {shown(annotations)}; expected a list'
        text = f'{text}; the pictures that it names are left out'
        findings.append(Finding('unreadable annotation', str(path), text))
        return Objects({}, files)
    objects: dict[str, list[AnnotatedObject]] = {}
    unread: set[str] = set()
    for index, found in enumerate(annotations):
        image_id = None
        try:
            image_id = plain(_get(found, 'image_id'))
            if image_id not in files:
                raise ValueError(f'image_id {image_id} is not in the file')
            objects.setdefault(image_id, []).append(_read_object(found, names))
        except ValueError as error:
            text = f'{error}; left out'
            if image_id in files:
                text = f'{error}; its picture {files[image_id]} is left out'
                unread.add(image_id)
            findings.append(Finding('unreadable annotation', f'{path}: annotation {index}', text))
    return Objects(objects, unread)


def _read_object(found: Tree, names: Mapping[str, str]) -> AnnotatedObject:
    label = names.get(plain(_get(found, 'category_id')))
    if label is None:
        raise ValueError(f'category_id {found["category_id"]} is not in the file')
    return AnnotatedObject(label, _read_box(found), read_crowd(found.get('iscrowd')))


def plain(number: object) -> str:
    """
    Write an id as every file could.

    :param number: of a picture or a class; it may be a text, or 1.0
    :return: its text
    """
    return str(int(number)) if isinstance(number, float) and number.is_integer() else str(number)


def _get(found: object, key: str) -> object:
    if not isinstance(found, dict) or key not in found:
        raise ValueError(f'has no {key}')
    return found[key]


def _read_box(found: Tree) -> Box:
    """Read the box; where only a polygon was drawn, the one around it."""
    if box := found.get('bbox'):
        numbers = _read_numbers(box, 'bbox')
        if len(numbers) != 4:
            raise ValueError(f'bbox: {len(numbers)} numbers; expected x, y, width, height')
        x, y, width, height = numbers
        return turn_box((x, y, x + width, y + height), read_turn(found.get('attributes')))
    polygons = found.get('segmentation')
    points = [
        value
        for part in (polygons if isinstance(polygons, list) else ())
        for value in _read_numbers(part, 'segmentation')
    ]
    if len(points) < 2:
        raise ValueError('has neither bbox nor polygon')
    return min(points[0::2]), min(points[1::2]), max(points[0::2]), max(points[1::2])


def _read_numbers(values: object, name: str) -> list[float]:
    try:
        numbers = [float(value) for value in values]  # type: ignore[attr-defined]
    except (TypeError, ValueError, OverflowError):
        numbers = [math.nan]
    if not all(map(math.isfinite, numbers)):
        raise ValueError(f'{name}: {shown(values):.{_SHOWN}}: expected numbers')
    return numbers
