"""CVAT's own XML ("CVAT for images 1.1"): one file with all pictures and boxes of a task."""

from collections.abc import Iterator, Sequence
import math
from pathlib import Path
from xml.etree import ElementTree

from ssd_training.data.annotations import AnnotatedObject, Finding
from ssd_training.errors import DataError
from ssd_training.preparation.listing import Listing
from ssd_training.preparation.source import Labelled, LabelledImage, split_of_name

ROOT_TAG = 'annotations'
_KEYS = {'box': ('xtl', 'ytl', 'xbr', 'ybr'), 'ellipse': ('cx', 'cy', 'rx', 'ry')}


def read_cvat(listing: Listing, paths: Sequence[Path]) -> Labelled:
    """
    Read one task or several.

    :param listing: of the source
    :param paths: of the XML files
    :return: the labels; shapes other than boxes become the boxes around them
    :raises DataError: for a video task, whose tracks name no pictures
    """
    findings: list[Finding] = []
    images: list[LabelledImage] = []
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
        images += _read_images(listing, path, root, findings)
    return Labelled(images, [*labels], findings)


def _parse(path: Path) -> ElementTree.Element:
    try:
        return ElementTree.parse(path).getroot()
    except ElementTree.ParseError as error:
        raise DataError([f'{path}: no valid XML ({error}); export it again']) from error


def _read_images(
    listing: Listing, path: Path, root: ElementTree.Element, findings: list[Finding]
) -> Iterator[LabelledImage]:
    for node in root.iter('image'):
        name = node.get('name', '')
        place = f'{path}: {name}'
        subset = node.get('subset', '')
        folder = path.parent
        starts = (folder / 'images' / subset, folder / 'images', folder)
        found = listing.find_image(name, starts)
        if found is None:
            findings.append(Finding('missing file', place, 'no picture of that name; left out'))
            continue
        try:
            size_wh = int(node.attrib['width']), int(node.attrib['height'])
            objects = tuple(_read_shapes(node, place, findings))
        except (KeyError, ValueError) as error:
            text = f'no valid numbers ({error}); left out'
            findings.append(Finding('unreadable annotation', place, text))
            continue
        yield LabelledImage(found, place, name, size_wh, objects, split=split_of_name(subset))


def _read_shapes(
    image: ElementTree.Element, place: str, findings: list[Finding]
) -> Iterator[AnnotatedObject]:
    for shape in image:
        label = shape.get('label', '').strip()
        if shape.tag == 'tag':  # Of the whole picture.
            continue
        if not (points := [*_read_points(shape)]):
            text = f'{label}: {shape.tag}: has no box; left out'
            findings.append(Finding('unreadable annotation', place, text))
            continue
        xs, ys = zip(*points, strict=True)
        yield AnnotatedObject(label, (min(xs), min(ys), max(xs), max(ys)), False)


def _read_points(shape: ElementTree.Element) -> Iterator[tuple[float, float]]:
    """List points whose edges are those of a shape."""

    def numbers(*keys: str) -> list[float]:
        return [float(shape.attrib[key]) for key in keys]

    if shape.tag in ('box', 'ellipse'):
        turn = float(shape.get('rotation', 0))
        yield from _turned_edges(shape.tag, turn, *numbers(*_KEYS[shape.tag]))
    elif shape.tag == 'mask':
        x, y, width, height = numbers('left', 'top', 'width', 'height')
        yield from ((x, y), (x + width, y + height))
    elif shape.tag == 'cuboid':
        xs = [key for key in shape.attrib if key.startswith('x')]
        yield from zip(numbers(*xs), numbers(*(f'y{key[1:]}' for key in xs)), strict=True)
    elif shape.tag == 'skeleton':
        for part in shape:
            yield from _read_points(part)
    elif 'points' in shape.attrib:
        for point in shape.attrib['points'].split(';'):
            x, y = map(float, point.split(','))
            yield x, y


def _turned_edges(
    tag: str, turn: float, a: float, b: float, c: float, d: float
) -> tuple[tuple[float, float], tuple[float, float]]:
    """Give two corners of the upright box around a box or an ellipse, turned by degrees."""
    cos, sin = abs(math.cos(math.radians(turn))), abs(math.sin(math.radians(turn)))
    if tag == 'box':
        x, y, half_width, half_height = (a + c) / 2, (b + d) / 2, (c - a) / 2, (d - b) / 2
        dx = half_width * cos + half_height * sin
        dy = half_width * sin + half_height * cos
    else:
        x, y, dx, dy = a, b, math.hypot(c * cos, d * sin), math.hypot(c * sin, d * cos)
    return (x - dx, y - dy), (x + dx, y + dy)
