"""CVAT's own XML ("CVAT for images 1.1"): one file with all pictures and boxes of a task."""

from collections.abc import Iterator, Sequence
import math
from pathlib import Path
from xml.etree import ElementTree

from ssd_detector.files import MAX_SPLIT_BYTES
from ssd_training.data.annotations.annotations import AnnotatedObject, Finding
from ssd_training.data.annotations.boxes import turn_box
from ssd_training.data.files import MAX_SIDE_PX, read_data_file
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.entries import describe_search, Entry, take_entries
from ssd_training.preparation.layouts.labelled import (
    Labelled,
    LabelledImage,
    split_of,
    split_of_name,
)
from ssd_training.preparation.layouts.listing import Listing

CVAT_ROOT_TAG = 'annotations'


def read_cvat(listing: Listing, paths: Sequence[Path]) -> Labelled:
    """
    Read one task or several.

    :param listing: of the source
    :param paths: of the XML files
    :return: the labels; shapes other than boxes become the boxes around them
    :raises DataError: for a video task, whose tracks name no pictures
    """
    findings: list[Finding] = []
    entries: list[Entry] = []
    labels: dict[str, None] = {}
    for path in paths:
        root = _parse(path)
        if root.find('image') is None:
            raise DataError(
                [
                    f'{path}: holds no <image>; a video task? export it as "CVAT for images 1.1" '
                    f'or as COCO'
                ]
            )
        names = root.iterfind('meta//labels/label/name')
        labels |= {(name.text or '').strip(): None for name in names}
        entries += _read_entries(listing, path, root, findings)
    images, unlabelled = take_entries(listing, entries, source='XML file')
    return Labelled(images, [*labels], [*findings, *unlabelled])


def _parse(path: Path) -> ElementTree.Element:
    content = read_data_file(path, limit_bytes=MAX_SPLIT_BYTES)
    try:
        return ElementTree.fromstring(content)
    except ElementTree.ParseError as error:
        raise DataError([f'{path}: no valid XML ({error}); export it again']) from error


def _read_entries(
    listing: Listing, path: Path, root: ElementTree.Element, findings: list[Finding]
) -> Iterator[Entry]:
    for node in root.iter('image'):
        name = node.get('name', '')
        place = f'{path}: {name}'
        subset = node.get('subset', '')
        folder = path.parent
        starts = (folder / 'images' / subset, folder / 'images', folder)
        found = listing.find_images(name, starts)
        if len(found) != 1:
            findings.append(describe_search(listing, place, found))
            yield Entry(found)
            continue
        try:
            size_wh = _read_side(node, 'width'), _read_side(node, 'height')
            objects = tuple(_read_shapes(node))
            split = split_of_name(subset) or split_of(found[0], listing.root)
            yield Entry(found, LabelledImage(found[0], place, name, size_wh, objects, split=split))
        except (KeyError, ValueError) as error:
            text = f'no valid numbers ({error}); its picture is left out'
            findings.append(Finding('unreadable annotation', place, text))
            yield Entry(found)


def _read_side(image: ElementTree.Element, name: str) -> int:
    side_px = int(image.attrib[name])
    if not 1 <= side_px <= MAX_SIDE_PX:
        raise ValueError(f'{name} is not 1 to {MAX_SIDE_PX}')
    return side_px


def _read_shapes(image: ElementTree.Element) -> Iterator[AnnotatedObject]:
    for shape in image:
        label = shape.get('label', '').strip()
        if shape.tag == 'tag':  # Of the whole picture.
            continue
        if not (points := [*_read_points(shape)]):
            raise ValueError(f'{label}: {shape.tag}: has no box')
        xs, ys = zip(*points, strict=True)
        yield AnnotatedObject(label, (min(xs), min(ys), max(xs), max(ys)), False)


def _read_points(shape: ElementTree.Element) -> Iterator[tuple[float, float]]:
    """List points whose edges are those of a shape."""

    def numbers(*keys: str) -> list[float]:
        return [float(shape.attrib[key]) for key in keys]

    if shape.tag == 'box':
        x1, y1, x2, y2 = numbers('xtl', 'ytl', 'xbr', 'ybr')
        x1, y1, x2, y2 = turn_box((x1, y1, x2, y2), float(shape.get('rotation', 0)))
        yield from ((x1, y1), (x2, y2))
    elif shape.tag == 'ellipse':
        x, y, rx, ry = numbers('cx', 'cy', 'rx', 'ry')
        turn = math.radians(float(shape.get('rotation', 0)))
        dx = math.hypot(rx * math.cos(turn), ry * math.sin(turn))
        dy = math.hypot(rx * math.sin(turn), ry * math.cos(turn))
        yield from ((x - dx, y - dy), (x + dx, y + dy))
    elif shape.tag == 'mask':
        x, y, width, height = numbers('left', 'top', 'width', 'height')
        yield from ((x, y), (x + width, y + height))
    elif shape.tag == 'cuboid':
        xs = [key for key in shape.attrib if key.startswith('x')]
        yield from zip(numbers(*xs), numbers(*(f'y{key[1:]}' for key in xs)), strict=True)
    elif shape.tag == 'skeleton':
        yield from _read_skeleton(shape)
    elif 'points' in shape.attrib:
        for point in shape.attrib['points'].split(';'):
            x, y = map(float, point.split(','))
            yield x, y


def _read_skeleton(skeleton: ElementTree.Element) -> Iterator[tuple[float, float]]:
    for part in skeleton:
        # One in another is none of CVAT's, and may be the first of a million.
        if part.tag != 'skeleton':
            yield from _read_points(part)
