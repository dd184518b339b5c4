"""CVAT's own XML ("CVAT for images 1.1"): one file with all pictures and boxes of a task."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

from ssd_training.data.annotations import AnnotatedObject, Finding
from ssd_training.errors import DataError
from ssd_training.preparation.source import Labelled, LabelledImage, Listing, split_of_name

ROOT_TAG = 'annotations'
_BOX_KEYS = ('xtl', 'ytl', 'xbr', 'ybr')


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
        root = ElementTree.parse(path).getroot()
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
            objects = tuple(_read_shapes(node))
        except (KeyError, ValueError) as error:
            text = f'no valid numbers ({error}); left out'
            findings.append(Finding('unreadable annotation', place, text))
            continue
        yield LabelledImage(found, place, size_wh, objects, split=split_of_name(subset))


def _read_shapes(image: ElementTree.Element) -> Iterator[AnnotatedObject]:
    for shape in image:
        label = shape.get('label', '').strip()
        if shape.tag == 'box':
            x1, y1, x2, y2 = (float(shape.attrib[key]) for key in _BOX_KEYS)
        elif shape.tag in ('polygon', 'polyline'):
            points = [point.split(',') for point in shape.attrib['points'].split(';')]
            xs, ys = ([float(point[axis]) for point in points] for axis in (0, 1))
            x1, y1, x2, y2 = min(xs), min(ys), max(xs), max(ys)
        else:
            continue
        yield AnnotatedObject(label, (x1, y1, x2, y2), False)
