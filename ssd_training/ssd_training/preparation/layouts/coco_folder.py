"""COCO JSON, wherever the files lie: Roboflow, CVAT, Label Studio, labelme2coco, supervision."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ssd_detector.printable import shown
from ssd_training.data.annotations.annotations import Finding
from ssd_training.data.files import MAX_SIDE_PX
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.coco_objects import Objects, plain, read_objects, Tree
from ssd_training.preparation.layouts.corners import count_leaving, WrittenBox
from ssd_training.preparation.layouts.entries import describe_search, Entry, take_entries
from ssd_training.preparation.layouts.foreign import has_segments
from ssd_training.preparation.layouts.labelled import (
    Labelled,
    LabelledImage,
    Split,
    split_of,
    split_of_name,
)
from ssd_training.preparation.layouts.listing import Listing

_SHOWN = 60
_MOST_DIGITS = 18


def is_coco(tree: object) -> bool:
    """
    Tell whether a JSON tree has COCO's form.

    :param tree: of a file
    :return: whether it has pictures and classes, and objects if anything
    """
    return (
        isinstance(tree, dict)
        and all(isinstance(tree.get(key), list) for key in ('images', 'categories'))
        and not has_segments(tree)
    )


def read_coco_folder(
    listing: Listing, trees: Mapping[Path, Tree], unread: Sequence[Finding] = ()
) -> Labelled:
    """
    Read one COCO file or one for each split.

    :param listing: of the source
    :param trees: file -> its content
    :param unread: JSON files that could not be read
    :return: the labels; a class that no object has is left out, such as the group that Roboflow
        puts in front
    :raises DataError: where a number means two classes, or boxes are corners
    """
    findings = [*unread]
    entries: list[Entry] = []
    names: dict[str, None] = {}
    wrong: list[str] = []
    for path, tree in trees.items():
        ours = _read_names(path, tree)
        names |= dict.fromkeys(ours.values())
        objects = read_objects(path, tree, ours, findings)
        wrong += _find_corners(path, tree, objects)
        entries += _read_entries(listing, path, tree, objects, findings)
    if wrong:
        raise DataError(wrong)
    images, unlabelled = take_entries(listing, entries, source='JSON file')
    used = {found.label for image in images for found in image.objects}
    unused = sorted({*names} - used)
    text = f'classes without an object that can be taken: {", ".join(unused)}; left out'
    labels = [name for name in names if name in used]
    return Labelled(images, labels, [*findings, *unlabelled], [text] if unused else [])


def _read_names(path: Path, tree: Tree) -> dict[str, str]:
    """Read the classes in the order of their numbers; numbers may be texts."""
    categories = [
        category
        for category in tree['categories']
        if isinstance(category, dict) and 'id' in category
    ]

    def number(category: Tree) -> tuple[int, str]:
        text = plain(category['id'])
        return (int(text) if text.isdecimal() and len(text) <= _MOST_DIGITS else 0), text

    names: dict[str, str] = {}
    for category in sorted(categories, key=number):
        key = plain(category['id'])
        name = str(category.get('name') or key).strip() or key
        if names.setdefault(key, name) != name:
            raise DataError(
                [f'{path}: categories: {key} is {names[key]} and {name}; give each its own id']
            )
    return names


def _read_entries(
    listing: Listing, path: Path, tree: Tree, objects: Objects, findings: list[Finding]
) -> Iterator[Entry]:
    of_file: Split | None = split_of(path, listing.root) or split_of_name(path.stem)
    starts = (path.parent, path.parent / 'images', listing.root, *_picture_folders(path))
    by_id: dict[str, set[str]] = {}
    for image in tree['images']:
        if isinstance(image, dict):
            by_id.setdefault(plain(image.get('id')), set()).add(str(image.get('file_name')))
    for image in tree['images']:
        name = str(image.get('file_name') or '') if isinstance(image, dict) else ''
        place = f'{path}: {(name or shown(image))[:_SHOWN]}'
        found = listing.find_images(name, starts)
        if len(found) != 1:
            findings.append(describe_search(listing, place, found))
            yield Entry(found)
            continue
        image_id = plain(image.get('id'))
        if others := sorted(by_id[image_id] - {name}):
            text = f'has the id {image_id}, as {others[0]} has: whose are its boxes? left out'
            findings.append(Finding('ambiguous image', place, text))
        if others or image_id in objects.unread:
            yield Entry(found)
            continue
        size_wh, ours = _read_size(image), tuple(objects.by_image.get(image_id, ()))
        split = of_file or split_of(found[0], listing.root)
        yield Entry(found, LabelledImage(found[0], place, name, size_wh, ours, split=split))


def _find_corners(path: Path, tree: Tree, objects: Objects) -> Iterator[str]:
    """Refuse [x1, y1, x2, y2], of which most boxes would be cut to what is no object."""
    boxes: list[WrittenBox] = []
    for image in tree['images']:
        if isinstance(image, dict) and (size_wh := _read_size(image)):
            for found in objects.by_image.get(plain(image.get('id')), ()):
                x1, y1, x2, y2 = found.box_xyxy
                boxes.append(((x1, y1, x2 - x1, y2 - y1), found.box_xyxy, size_wh))
    if leaving := count_leaving(boxes):
        yield (
            f'{path}: {leaving} of {len(boxes)} boxes leave their pictures, and all lie inside as '
            f'corners x1, y1, x2, y2; expected bbox: [x, y, width, height]: write [x1, y1, '
            f'x2 - x1, y2 - y1], or cut them at the edge where they have a size'
        )


def _picture_folders(path: Path) -> Iterator[Path]:
    """List where CVAT and COCO keep pictures: images/<subset> beside annotations/."""
    subset = path.stem.rpartition('_')[2]
    for folder in (path.parent.parent, path.parent):
        yield folder / 'images' / subset
        yield folder / subset
        yield folder / 'images'


def _read_size(image: Tree) -> tuple[int, int] | None:
    try:
        width, height = int(float(image['width'])), int(float(image['height']))
    except (KeyError, TypeError, ValueError, OverflowError):
        return None
    # Sides of 0 and of any number are none: the picture says it.
    is_size = 0 < width <= MAX_SIDE_PX and 0 < height <= MAX_SIDE_PX
    return (width, height) if is_size else None
