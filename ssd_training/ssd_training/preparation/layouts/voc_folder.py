"""PASCAL VOC's XML, wherever the files lie: LabelImg, CVAT, Label Studio, Roboflow."""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
import dataclasses
import os
from pathlib import Path

from ssd_training.data.annotations.annotations import AnnotatedObject, Finding
from ssd_training.data.files import without_place
from ssd_training.data.sources.texts import read_text
from ssd_training.data.sources.voc_files import read_voc_file, VocFile
from ssd_training.data.sources.voc_lists import read_list
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.given_splits import (
    choose_split,
    describe_missing,
    join_splits,
)
from ssd_training.preparation.layouts.labelled import Labelled, LabelledImage, Split, split_of
from ssd_training.preparation.layouts.listing import Listing

# CVAT (Datumaro) puts this into the folder, and counts pixels from 0.
_LABEL_MAP = 'labelmap.txt'
_FOLDERS = ('ImageSets', 'Main')
_LISTS = ('train', 'val', 'trainval', 'test')


def read_voc_folder(listing: Listing, xmls: Sequence[Path]) -> Labelled:
    """
    Read a folder of XML files.

    A picture belongs to the file with its stem, the nearest one, or to the one that names it.
    Pixels count from 0 where CVAT wrote the files or some box starts at 0, else from 1.

    :param listing: of the source
    :param xmls: its annotations
    :return: the labels
    """
    findings: list[Finding] = []
    lists = _read_lists(listing, findings)
    images = []
    unreadable: dict[Path, str] = {}
    # By some file, right or wrong.
    named: set[Path] = set()
    for path in xmls:
        try:
            content = read_voc_file(path, box_base=0)
        except DataError as error:
            unreadable[path] = without_place(error, str(path))
            continue
        found = _find_images(listing, path, content)
        named.update(found)
        if len(found) != 1:
            findings.append(_describe_failure(listing, path, content, found))
        else:
            (image,) = found
            of_folder = split_of(path, listing.root) or split_of(image, listing.root)
            split = choose_split(lists, path, of_folder)
            size_wh, objects = content.size_wh, content.objects
            images.append(
                LabelledImage(image, str(path), str(path), size_wh, objects, split=split)
            )
    findings += _describe_unlabelled(listing, named, unreadable)
    label_maps = [path for path in listing.files if path.name == _LABEL_MAP]
    labels = [label for path in label_maps for label in _read_label_map(path)]
    if label_maps or any(_starts_at_0(image.objects) for image in images):
        note = 'pixels count from 0 (CVAT writes them so, or some box starts at 0)'
        return Labelled(images, labels, findings, (note,))
    return Labelled([_from_1(image) for image in images], labels, findings)


def _find_images(listing: Listing, path: Path, content: VocFile) -> list[Path]:
    """Find the picture of a file, or all that it may be."""
    written = (content.filename or '').replace('\\', '/').rpartition('/')[2]
    # <filename> chooses, then the name of the file; exact capitals before others.
    tests: tuple[Callable[[Path], bool], ...] = (
        lambda image: image.name == written,
        lambda image: image.name.lower() == written.lower(),
        lambda image: image.stem == path.stem,
    )
    found = listing.images_of(path)
    for is_meant in tests:
        found = [*filter(is_meant, found)] or found
    if not found and content.filename:
        found = listing.find_images(content.filename, (path.parent,))
    return found


def _describe_failure(
    listing: Listing, path: Path, content: VocFile, found: Sequence[Path]
) -> Finding:
    if found:
        text = f'several pictures of this name: {listing.spell(found)}; remove all but one'
        return Finding('ambiguous image', str(path), f'{text}; left out')
    wanted = f'{path.stem}.*' + (f' or {content.filename}' if content.filename else '')
    return Finding('missing file', str(path), f'no picture {wanted}; left out')


def _describe_unlabelled(
    listing: Listing, named: Collection[Path], unreadable: Mapping[Path, str]
) -> Iterator[Finding]:
    """Say which files can't be read, and which pictures no file has: each picture once."""
    named = {*named}
    for path, text in unreadable.items():
        lost = {*listing.images_of(path)} - named
        what = 'its picture is left out' if lost else 'left out'
        yield Finding('unreadable annotation', str(path), f'{text}; {what}')
        named |= lost
    for path in listing.images:
        if path not in named:
            yield Finding('image without annotation', str(path), 'no XML file; left out')


def _starts_at_0(objects: Sequence[AnnotatedObject]) -> bool:
    # Shares of the picture start there, too.
    boxes = [found.box_xyxy for found in objects if max(found.box_xyxy) > 1]
    return any(0 <= edge < 1 for box in boxes for edge in box[:2])


def _from_1(image: LabelledImage) -> LabelledImage:
    """Turn corners that count from 1, the last pixel included, into edges."""

    def shift(found: AnnotatedObject) -> AnnotatedObject:
        x1, y1, x2, y2 = found.box_xyxy
        return dataclasses.replace(found, box_xyxy=(x1 - 1, y1 - 1, x2, y2))

    return dataclasses.replace(image, objects=tuple(map(shift, image.objects)))


def _read_label_map(path: Path) -> list[str]:
    lines = read_text(path).splitlines()
    names = [line.partition(':')[0].strip() for line in lines if not line.startswith('#')]
    return [name for name in names if name and name != 'background']


def _read_lists(listing: Listing, findings: list[Finding]) -> dict[Path, Split]:
    """Read ImageSets/Main, of all years, where the lists make a split: XML file -> split."""
    lists: dict[Split, list[Path]] = {'train': [], 'val': [], 'test': []}
    for folder in sorted({path.parent for path in listing.files if path.parts[-3:-1] == _FOLDERS}):
        files = {name: _read_list(folder / f'{name}.txt', findings) for name in _LISTS}
        held_out = {*files['val'], *files['test']}
        # trainval stands for what else is in no list.
        rest = [path for path in files['trainval'] if path not in held_out]
        for split, paths in lists.items():
            paths += files[split] or (rest if split == 'train' else [])
    return join_splits(lists, findings)


def _read_list(path: Path, findings: list[Finding]) -> list[Path]:
    """Read one list, which may be missing or empty: its XML files."""
    if not (path.is_file() and path.stat().st_size):
        return []
    annotations = path.parents[2] / 'Annotations'
    # Unlike Path's, this one takes any text.
    ids = read_list(path, lambda image_id: os.path.isfile(annotations / f'{image_id}.xml'))
    files = [annotations / f'{image_id}.xml' for image_id in ids]
    present = {file for file in files if os.path.isfile(file)}
    missing = [name for name, file in zip(ids, files, strict=True) if file not in present]
    if missing:
        findings.append(describe_missing(path, missing, len(ids)))
    return [file for file in files if file in present]
