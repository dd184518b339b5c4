"""YOLO's text files: a line an object, class number and box in shares of the picture."""

from collections.abc import Sequence
from dataclasses import replace
import math
from pathlib import Path

from ssd_training.data.annotations.annotations import AnnotatedObject, Finding
from ssd_training.data.files import without_place
from ssd_training.data.sources.texts import read_text
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.corners import count_leaving, WrittenBox
from ssd_training.preparation.layouts.given_splits import choose_split
from ssd_training.preparation.layouts.labelled import Labelled, LabelledImage, split_of
from ssd_training.preparation.layouts.listing import Listing
from ssd_training.preparation.layouts.yolo_names import Classes, read_classes
from ssd_training.preparation.layouts.yolo_pairs import Pairs
from ssd_training.preparation.layouts.yolo_splits import read_splits
from ssd_training.preparation.layouts.yolo_texts import BOX_COLUMNS, NAME_FILES

# Shares may leave the picture by rounding, not by so much.
_MAX_SHARE = 2.0
_SHOWN = 60


def read_yolo(listing: Listing, pairs: Pairs, names: Sequence[str] = ()) -> Labelled:
    """
    Read a folder of pictures and label files.

    A picture without a label file has no objects, as Ultralytics has it.

    :param listing: of the source
    :param pairs: from find_label_files
    :param names: of the classes 0, 1, ..., where data.yaml, classes.txt and obj.names have none
    :return: the labels
    :raises DataError: when the classes have no names, or boxes are corners
    """
    classes = _name_classes(listing, names)
    findings = [*dict.fromkeys(pairs.left_out.values())]
    splits = read_splits(listing, findings)
    images = []
    for path in (path for path in listing.images if path not in pairs.left_out):
        text = pairs.texts.get(path)
        if text is None:
            what = 'no label file; taken as empty'
            findings.append(Finding('image without annotation', str(path), what))
        objects = () if text is None else _read_objects(text, classes, findings)
        if objects is not None:
            place = str(text or path)
            split = choose_split(splits, path, split_of(path, listing.root))
            images.append(
                LabelledImage(
                    path, place, path.name, None, objects, is_normalized=True, split=split
                )
            )
    _refuse_corners(listing, images)
    what = 'no picture of that name beside it, or in images/ where it is in labels/; left out'
    findings += [Finding('missing file', str(path), what) for path in pairs.strays]
    return Labelled(images, tuple(classes.names.values()), findings, pairs.notes)


def _name_classes(listing: Listing, names: Sequence[str]) -> Classes:
    classes = read_classes(listing)
    if not classes.names:
        classes = replace(classes, names=dict(enumerate(names)))
    if not classes.names:
        raise DataError(
            [
                f'{listing.root}: YOLO labels, but nothing names the classes; expected data.yaml '
                f'(names), {", ".join(NAME_FILES)} or *.names; add one, or give --labels '
                f'first,second,...'
            ]
        )
    return classes


def _refuse_corners(listing: Listing, images: Sequence[LabelledImage]) -> None:
    boxes: list[WrittenBox] = []
    for found in (found for image in images for found in image.objects):
        x1, y1, x2, y2 = found.box_xyxy
        written = ((x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1)
        boxes.append((written, found.box_xyxy, (1, 1)))
    if leaving := count_leaving(boxes):
        raise DataError(
            [
                f'{listing.root}: {leaving} of {len(boxes)} boxes leave their pictures, and all '
                f'lie inside as corners x1, y1, x2, y2; expected class, x, y, width, height, with '
                f'x and y of the centre: write them so, or cut them at the edge where they are'
            ]
        )


def _read_objects(
    path: Path, classes: Classes, findings: list[Finding]
) -> tuple[AnnotatedObject, ...] | None:
    """Read a label file; None where it can't be read: what a line meant is no background."""
    try:
        lines = read_text(path).splitlines()
    except DataError as error:
        findings.append(_left_out(str(path), without_place(error, str(path))))
        return None
    objects: list[AnnotatedObject] = []
    wrong: list[Finding] = []
    for number, line in enumerate(lines, start=1):
        try:
            objects += [_read_object(columns, classes)] if (columns := line.split()) else []
        except ValueError as error:
            text = f'{line.strip()[:_SHOWN]!r}: {error}'
            wrong.append(_left_out(f'{path}, line {number}', text))
    findings += wrong
    return None if wrong else tuple(objects)


def _left_out(place: str, text: str) -> Finding:
    return Finding('unreadable annotation', place, f'{text}; its picture is left out')


def _read_object(columns: Sequence[str], classes: Classes) -> AnnotatedObject:
    number, *values = map(_read_number, columns)
    if not number.is_integer() or number not in classes.names:
        numbers = ', '.join(map(str, classes.names))
        raise ValueError(f'class {columns[0]} has no name; those with names are {numbers}')
    has_keypoints = 0 < classes.num_keypoint_values == len(columns) - BOX_COLUMNS
    # Detections have a sixth column, the score.
    if has_keypoints or len(columns) in (BOX_COLUMNS, BOX_COLUMNS + 1):
        values = values[:4]
        x, y, width, height = values
        box = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    elif len(columns) > BOX_COLUMNS + 1 and len(values) % 2 == 0:
        xs, ys = values[0::2], values[1::2]
        box = (min(xs), min(ys), max(xs), max(ys))
    else:
        raise ValueError('expected class, x, y, width, height, or class and a polygon')
    # Not `>`: a NaN is no share, too.
    if odd := [value for value in values if not abs(value) <= _MAX_SHARE]:
        what = 'pixels' if _MAX_SHARE < odd[0] < math.inf else f'{odd[0]:g}'
        raise ValueError(f'expected shares of the picture, between 0 and 1, not {what}')
    return AnnotatedObject(classes.names[int(number)], box, False)


def _read_number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        hint = '; expected a point, not a comma' if ',' in text else ''
        raise ValueError(f'{text} is no number{hint}') from None
