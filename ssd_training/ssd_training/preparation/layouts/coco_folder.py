"""COCO JSON, wherever the files lie: Roboflow, CVAT, Label Studio, labelme2coco, supervision."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from ssd_detector.printable import shown
from ssd_training.data.annotations.annotations import Finding
from ssd_training.data.files import MAX_SIDE_PX
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.coco_objects import Objects, plain, read_objects, Tree
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
    :return: whether it has pictures and classes
    """
    return isinstance(tree, dict) and all(
        isinstance(tree.get(key), list) for key in ('images', 'categories')
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
    """
    findings = [*unread]
    images: list[LabelledImage] = []
    labels: dict[str, None] = {}
    unused: set[str] = set()
    left_out: set[Path] = set()
    for path, tree in trees.items():
        names = _read_names(path, tree)
        objects = read_objects(path, tree, names, findings)
        found = [*_read_images(listing, path, tree, objects, findings, left_out)]
        images += found
        used = {annotated.label for image in found for annotated in image.objects}
        labels |= {name: None for name in names.values() if name in used}
        unused |= {*names.values()}
    unused -= {*labels}
    notes = (
        [f'classes that no object has: {", ".join(sorted(unused))}; left out'] if unused else []
    )
    named = left_out | {image.path for image in images}
    findings += [
        Finding('image without annotation', str(path), 'in no JSON file; left out')
        for path in listing.images
        if path not in named
    ]
    # Another file may have a picture for other classes: half of the labels are none.
    images = [image for image in images if image.path not in left_out]
    return Labelled(images, [*labels], findings, notes)


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


def _read_images(
    listing: Listing,
    path: Path,
    tree: Tree,
    objects: Objects,
    findings: list[Finding],
    left_out: set[Path],
) -> Iterator[LabelledImage]:
    """Give the pictures; `left_out` gets those whose labels can't be read or told apart."""
    split: Split | None = split_of(path, listing.root) or split_of_name(path.stem)
    starts = (path.parent, path.parent / 'images', listing.root, *_picture_folders(path))
    by_id: dict[str, set[str]] = {}
    for image in tree['images']:
        if isinstance(image, dict):
            by_id.setdefault(plain(image.get('id')), set()).add(str(image.get('file_name')))
    for image in tree['images']:
        name = str(image.get('file_name') or '') if isinstance(image, dict) else ''
        place = f'{path}: {(name or shown(image))[:_SHOWN]}'
        found = listing.find_image(name, starts)
        if found is None:
            findings.append(Finding('missing file', place, 'no picture of that name; left out'))
            continue
        image_id = plain(image.get('id'))
        if others := sorted(by_id[image_id] - {name}):
            text = f'has the id {image_id}, as {others[0]} has: whose are its boxes? left out'
            findings.append(Finding('ambiguous image', place, text))
            left_out.add(found)
        elif image_id in objects.unread:
            left_out.add(found)
        else:
            size_wh, ours = _read_size(image), tuple(objects.by_image.get(image_id, ()))
            yield LabelledImage(found, place, name, size_wh, ours, split=split)


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
