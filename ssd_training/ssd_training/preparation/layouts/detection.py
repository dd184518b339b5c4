"""Which of the layouts a folder has, and its labels."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from ssd_detector.files import FileError, MAX_SPLIT_BYTES, open_file
from ssd_detector.images.folder import VIDEO_SUFFIXES
from ssd_training.data.annotations.annotations import Finding
from ssd_training.data.files import read_json, without_place
from ssd_training.data.sources.voc_files import read_voc_file
from ssd_training.errors import DataError
from ssd_training.preparation.layouts.coco_folder import is_coco, read_coco_folder
from ssd_training.preparation.layouts.cvat_file import CVAT_ROOT_TAG, read_cvat
from ssd_training.preparation.layouts.foreign import name_tool
from ssd_training.preparation.layouts.labelled import Labelled, Layout
from ssd_training.preparation.layouts.listing import Listing
from ssd_training.preparation.layouts.voc_folder import read_voc_folder
from ssd_training.preparation.layouts.yolo_folder import read_yolo
from ssd_training.preparation.layouts.yolo_pairs import describe_texts, find_label_files

TITLES: dict[Layout, str] = {
    'voc': 'PASCAL VOC (an XML file a picture)',
    'coco': 'COCO (a JSON file a split)',
    'yolo': 'YOLO (a text file a picture)',
    'cvat': 'CVAT for images (one XML file)',
}
_OTHERS = (
    'Label Studio: export as COCO, YOLO or Pascal VOC with images; CVAT: PASCAL VOC 1.1, COCO '
    '1.0, YOLO or CVAT for images 1.1'
)


def read_labels(
    listing: Listing, *, layout: Layout | None = None, names: Sequence[str] = ()
) -> tuple[Layout, Labelled]:
    """
    Find out what a folder is, and read it.

    :param listing: of the folder
    :param layout: which it is, where files of several lie in it
    :param names: of YOLO's classes, where no file has them
    :return: the layout and the labels
    :raises DataError: when it is none, or several
    """
    notes = [
        f'{folder}: holds results of predict, with boxes drawn in; left out'
        for folder in listing.predicted
    ]
    if not listing.images:
        if foreign := ', '.join(sorted({path.suffix for path in listing.foreign})):
            what = f'holds pictures of kinds that are not read ({foreign}); make them JPEG'
        elif listing.with_suffix(*VIDEO_SUFFIXES):
            what = 'holds videos, but no picture; export with frames as pictures'
        else:
            what = 'holds no picture; export with images, or put them beside the labels'
        raise DataError([f'{listing.root}: {what}', *notes])
    trees, unread, foreign_trees = _read_trees(listing)
    others = {*foreign_trees.values()}
    xmls = {path: _root_tag(path) for path in listing.with_suffix('.xml')}
    tasks = [path for path, tag in xmls.items() if tag == CVAT_ROOT_TAG]
    # Broken files, too: they are named then.
    single = [
        path
        for path, tag in xmls.items()
        if tag in ('annotation', '') or (path not in tasks and _is_voc(path))
    ]
    pairs = find_label_files(listing)
    present: dict[Layout, int] = {
        'voc': len(single),
        'coco': len(trees),
        'yolo': len(pairs.used),
        'cvat': len(tasks),
    }
    others |= (
        {f'XML of <{tag}>, not <annotation>' for tag in xmls.values()} if not single else set()
    )
    others |= {str(finding) for finding in unread}
    others |= {*describe_texts(listing)} if not pairs.used else set()
    chosen = _choose(
        listing, {key: count for key, count in present.items() if count}, layout, sorted(others)
    )
    if chosen == 'coco':
        notes += _describe_foreign(foreign_trees)
        labelled = read_coco_folder(listing, trees, unread)
    elif chosen == 'voc':
        labelled = read_voc_folder(listing, single)
    elif chosen == 'cvat':
        labelled = read_cvat(listing, tasks)
    else:
        labelled = read_yolo(listing, pairs, names)
    return chosen, replace(labelled, notes=[*labelled.notes, *notes])


def _choose(
    listing: Listing, present: dict[Layout, int], wanted: Layout | None, others: Sequence[str]
) -> Layout:
    if wanted in present:
        return wanted
    found = ', '.join(f'{key}: {count} files' for key, count in present.items())
    if wanted:
        raise DataError(
            [f'{listing.root}: --layout {wanted}: no such files; found {found or "no labels"}']
        )
    if not present:
        raise DataError(
            [
                f'{listing.root}: {len(listing.images)} pictures, but no labels of a known '
                f'layout; expected {", ".join(TITLES.values())}',
                *(others or [_OTHERS]),
            ]
        )
    if len(present) > 1:
        raise DataError(
            [f'{listing.root}: labels of several layouts ({found}); choose with --layout']
        )
    return next(iter(present))


def _read_trees(listing: Listing) -> tuple[dict[Path, Any], list[Finding], dict[Path, str]]:
    """Read the JSON files: those of COCO's form, those that are none, and whose others are."""
    trees: dict[Path, Any] = {}
    unreadable = []
    others = {}
    for path in listing.with_suffix('.json'):
        try:
            tree = read_json(path)
        except DataError as error:
            text = without_place(error, str(path))
            unreadable.append(Finding('unreadable annotation', str(path), text))
            continue
        if is_coco(tree):
            trees[path] = tree
        elif tool := name_tool(tree):
            others[path] = tool
    return trees, unreadable, others


def _describe_foreign(tools: Mapping[Path, str]) -> Iterator[str]:
    for tool, count in Counter(tools.values()).items():
        first = next(path for path in tools if tools[path] == tool)
        yield f'{count} x {tool}, such as {first}; left out'


def _root_tag(path: Path) -> str:
    """Read the name of an XML file's outermost element, without the rest."""
    try:
        with open_file(path, limit_bytes=MAX_SPLIT_BYTES) as file:
            for _, node in ElementTree.iterparse(file, events=('start',)):
                return str(node.tag).rpartition('}')[2]
    except (ElementTree.ParseError, ValueError, OSError, FileError):
        pass
    return ''


def _is_voc(path: Path) -> bool:
    """Tell whether a file with another root has what VOC's have."""
    try:
        return bool(read_voc_file(path).objects)
    except DataError:
        return False
