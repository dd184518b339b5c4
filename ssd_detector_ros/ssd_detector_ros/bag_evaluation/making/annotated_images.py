"""Images with annotations that recordings are made of: VOC folders and COCO files of strangers."""

from collections.abc import Callable, Iterator
import itertools
import json
import os
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import numpy as np
from numpy.typing import NDArray

from ssd_detector.evaluation.crowds import read_crowd
from ssd_detector.files import MAX_LABELS_BYTES, MAX_LIST_BYTES, MAX_SPLIT_BYTES, read_file
from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.image_files import (
    check_inside,
    FilesOutside,
    make_scene,
)
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene

_EDGES = ('xmin', 'ymin', 'xmax', 'ymax')
_SHOWN = 20
# What a tree of JSON or XML that is no annotation runs into.
_MISFITS = (
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    RecursionError,
    OverflowError,
    ElementTree.ParseError,
)
Content = TypeVar('Content')


def read_voc(path: Path, split: str | None, outside: FilesOutside = 'error') -> Iterator[Scene]:
    """
    Read a folder of PASCAL VOC.

    :param path: with JPEGImages, Annotations and ImageSets/Main
    :param split: a list, such as val; None takes every annotated image
    :param outside: whether files elsewhere are read, too
    :return: the images in order
    :raises BagError: with everything that is missing or elsewhere; later, with an annotation that
        is none
    """
    annotations = path / 'Annotations'
    if split is None:
        # Beside each file a Mac leaves one of its own, ._NAME.
        names = sorted(file.stem for file in annotations.glob('[!.]*.xml'))
    else:
        check_inside([path / 'ImageSets' / 'Main' / f'{split}.txt'], path, outside)
        names = _read_list(path / 'ImageSets' / 'Main', split)
    files = {
        file.stem: file
        for file in sorted((path / 'JPEGImages').glob('*'))
        if file.suffix.lower() in IMAGE_SUFFIXES
    }
    findings = [f'{annotations}/{name}.xml: no image of it' for name in names if name not in files]
    if findings or not names:
        raise BagError(findings[:_SHOWN] or [f'{annotations}: no *.xml'])
    read = ((annotations / f'{name}.xml', files[name]) for name in names)
    check_inside(itertools.chain.from_iterable(read), path, outside)
    return (
        make_scene(files[name], _read_xml(annotations / f'{name}.xml'), name) for name in names
    )


def read_coco(path: Path, folder: Path, outside: FilesOutside = 'error') -> Iterator[Scene]:
    """
    Read annotations of COCO.

    :param path: the JSON file
    :param folder: of the images
    :param outside: whether files elsewhere are read, too
    :return: the images in order
    :raises BagError: with everything that is missing or elsewhere, or why it is none of COCO
    """

    def parse(content: bytes) -> list[tuple[Path, Objects]]:
        tree = json.loads(content)
        names = {category['id']: str(category['name']) for category in tree['categories']}
        by_image: dict[Any, list[Any]] = {image['id']: [] for image in tree['images']}
        for annotation in tree['annotations']:
            by_image[annotation['image_id']].append(annotation)
        return [
            (folder / image['file_name'], _coco_objects(by_image[image['id']], names))
            for image in tree['images']
        ]

    scenes = _read(path, MAX_SPLIT_BYTES, parse, 'no COCO annotations')
    # Unlike Path's, this one takes any text.
    missing = [file for file, _ in scenes if not os.path.isfile(file)]
    if missing or not scenes:
        raise BagError(
            [
                f'{path}: {len(missing)} of {len(scenes)} images are missing, such as '
                f'{missing[0] if missing else "-"}; name their folder: --images DIR'
            ]
        )
    check_inside((file for file, _ in scenes), folder, outside)
    return (make_scene(file, objects) for file, objects in scenes)


def _read_list(folder: Path, split: str) -> list[str]:
    file = folder / f'{split}.txt'
    if not os.path.lexists(file):
        there = ', '.join(sorted(path.stem for path in folder.glob('*.txt'))[:10]) or 'none'
        raise BagError([f'{file}: no such list; there are: {there}'])
    lines = _read(file, MAX_LIST_BYTES, lambda content: content.decode(), 'no list').splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _read_xml(path: Path) -> Objects:
    """Read a VOC annotation: its pixels count from 1 and are inclusive."""

    def parse(content: bytes) -> Objects:
        nodes = list(ElementTree.fromstring(content).iter('object'))
        rows = [[float(node.findtext(f'bndbox/{name}', '')) for name in _EDGES] for node in nodes]
        return Objects(
            _finite(rows) - [1, 1, 0, 0],
            tuple((node.findtext('name') or '').strip() for node in nodes),
            np.array([node.findtext('difficult', '0').strip() == '1' for node in nodes], bool),
        )

    return _read(path, MAX_LABELS_BYTES, parse, 'no valid VOC annotation')


def _coco_objects(rows: list[Any], names: dict[Any, str]) -> Objects:
    boxes = _finite([row['bbox'] for row in rows])
    boxes[:, 2:] += boxes[:, :2]
    return Objects(
        boxes,
        tuple(names[row['category_id']] for row in rows),
        np.array([read_crowd(row.get('iscrowd')) for row in rows], bool),
    )


def _finite(rows: list[list[Any]]) -> NDArray[np.float64]:
    """Make boxes of rows of four numbers each."""
    for row in rows:
        if len(row) != len(_EDGES) or not np.isfinite(np.array(row, np.float64)).all():
            raise ValueError(f'a box is not four finite numbers: {str(row)[:100]}')
    return np.array(rows, np.float64).reshape(-1, len(_EDGES))


def _read(
    path: Path, limit_bytes: int, parse: Callable[[bytes], Content], complaint: str
) -> Content:
    """Read a file of a stranger, in words where it is not what it should be."""
    try:
        content = read_file(path, limit_bytes=limit_bytes)
    except OSError as error:
        raise BagError([f'{path}: can not be read ({error.strerror})']) from error
    try:
        return parse(content)
    except _MISFITS as error:
        raise BagError(
            [f'{path}: {complaint} ({type(error).__name__}: {str(error)[:200]})']
        ) from error
