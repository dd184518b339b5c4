"""PASCAL VOC: image ids, files and objects of a split."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from ssd_training.data.annotations import (
    AnnotatedObject,
    Annotation,
    Finding,
    Policy,
    to_records,
)
from ssd_training.data.records import ImageFile, Record
from ssd_training.errors import DataError


def read_voc(root: Path, split: str, *, labels: Sequence[str], max_boxes: int) -> list[Record]:
    """
    Read a split in which nothing is wrong; images are decoded later.

    :param root: see read_voc_annotations
    :param split: see read_voc_annotations
    :param labels: names of the classes 1, 2, ...
    :param max_boxes: objects of an image at most
    :return: the records, in the order of the list
    :raises DataError: with everything that is missing or wrong
    """
    annotations, findings = read_voc_annotations(root, split)
    return to_records(annotations, Policy(labels, max_boxes), findings=findings, name=split)


def read_voc_annotations(root: Path, split: str) -> tuple[list[Annotation], list[Finding]]:
    """
    Read what a split's XML files say; every file is looked for now.

    Corners in the XML are 1-based and inclusive; here they become edges, (xmin - 1, ymin - 1,
    xmax, ymax), as the core's evaluation wants them.

    :param root: folder with JPEGImages, Annotations and ImageSets/Main, or one that holds several
        such folders
    :param split: name of the list, such as train; of another folder below root, VOC2012/train;
        several are joined by +
    :return: the annotations in the order of the lists, and what can not be read
    :raises DataError: when a list can not be read, or the lists share an image
    """
    annotations: list[Annotation] = []
    findings: list[Finding] = []
    for part in split.split('+'):
        folder, _, name = part.strip().rpartition('/')
        for image_id in _read_list(root / folder, name):
            _read_image(root / folder, image_id, name, annotations, findings)
    ids = [annotation.image_id for annotation in annotations]
    if len(set(ids)) < len(ids):
        twice = next(image_id for image_id in ids if ids.count(image_id) > 1)
        raise DataError([f'{split}: lists {twice} more than once; give lists without common ids'])
    return annotations, findings


def _read_image(
    folder: Path,
    image_id: str,
    split: str,
    annotations: list[Annotation],
    findings: list[Finding],
) -> None:
    """Add the annotation of one image, or what is wrong with its files."""
    image_path = folder / 'JPEGImages' / f'{image_id}.jpg'
    xml_path = folder / 'Annotations' / f'{image_id}.xml'
    missing = [path for path in (image_path, xml_path) if not path.is_file()]
    findings += [
        Finding('missing file', str(path), f'missing, but listed in {split}.txt')
        for path in missing
    ]
    if xml_path in missing:
        return
    try:
        size_wh, objects = _read_xml(xml_path)
    except (ElementTree.ParseError, ValueError, OSError) as error:
        text = f'no valid annotation ({error})'
        findings.append(Finding('unreadable annotation', str(xml_path), text))
    else:
        annotations.append(
            Annotation(image_id, ImageFile(image_path), str(xml_path), size_wh, objects)
        )


def _read_list(folder: Path, split: str) -> list[str]:
    path = folder / 'ImageSets' / 'Main' / f'{split}.txt'
    try:
        lines = path.read_text(encoding='utf-8').splitlines()
    except OSError as error:
        raise DataError(
            [
                f'{path}: can not be read ({error.strerror}); data.root has to hold ImageSets, '
                f'Annotations and JPEGImages: set DATA_ROOT or give data.root=DIR'
            ]
        ) from error
    # Lists of one class have a second column.
    image_ids = [line.split()[0] for line in lines if line.strip()]
    if not image_ids:
        raise DataError([f'{path}: lists no image; expected one id a line'])
    return image_ids


def _read_xml(path: Path) -> tuple[tuple[int, int], tuple[AnnotatedObject, ...]]:
    tree = ElementTree.parse(path).getroot()
    size_wh = int(_text(tree, 'size/width')), int(_text(tree, 'size/height'))
    return size_wh, tuple(_read_object(node) for node in tree.iter('object'))


def _read_object(node: ElementTree.Element) -> AnnotatedObject:
    xmin, ymin, xmax, ymax = (
        float(_text(node, f'bndbox/{name}')) for name in ('xmin', 'ymin', 'xmax', 'ymax')
    )
    is_difficult = (node.findtext('difficult') or '0').strip() == '1'
    return AnnotatedObject(_text(node, 'name'), (xmin - 1, ymin - 1, xmax, ymax), is_difficult)


def _text(node: ElementTree.Element, path: str) -> str:
    text = node.findtext(path)
    if text is None or not text.strip():
        raise ValueError(f'<{node.tag}> has no {path}')
    return text.strip()
