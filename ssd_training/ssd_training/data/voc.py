"""PASCAL VOC: image ids, files and objects of a split."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.data.records import ImageFile, Record
from ssd_training.errors import DataError

_SHOWN = 20

Object = tuple[tuple[float, float, float, float], int, bool]


def read_voc(root: Path, split: str, *, labels: Sequence[str], max_boxes: int) -> list[Record]:
    """
    Read a split; every file is looked for now, images are decoded later.

    Corners in the XML are 1-based and inclusive; here they become edges, (xmin - 1, ymin - 1,
    xmax, ymax), as the core's evaluation wants them.

    :param root: folder with JPEGImages, Annotations and ImageSets/Main
    :param split: name of the list, such as train
    :param labels: names of the classes 1, 2, ...
    :param max_boxes: objects of an image at most
    :return: the records, in the order of the list
    :raises DataError: with everything that is missing or wrong
    """
    class_ids = {label: class_id for class_id, label in enumerate(labels, start=1)}
    findings: list[str] = []
    records = []
    for image_id in _read_split(root, split):
        image_path = root / 'JPEGImages' / f'{image_id}.jpg'
        annotation_path = root / 'Annotations' / f'{image_id}.xml'
        missing = [path for path in (image_path, annotation_path) if not path.is_file()]
        findings += [f'{path}: missing, but listed in {split}.txt' for path in missing]
        if annotation_path in missing:
            continue
        try:
            size_wh, objects = _read_annotation(annotation_path, class_ids)
        except DataError as error:
            findings += error.findings
            continue
        if len(objects) > max_boxes:
            findings.append(
                f'{annotation_path}: has {len(objects)} objects; data.max_boxes is {max_boxes}, '
                f'raise it'
            )
        truths = _to_ground_truths(objects)
        records.append(Record(image_id, ImageFile(image_path), size_wh, truths))
    if findings:
        raise DataError(_shorten(findings))
    return records


def check_disjoint(train: Sequence[Record], val: Sequence[Record]) -> None:
    """
    Refuse to test on images that were trained on.

    :param train: records of the one split
    :param val: records of the other
    :raises DataError: when an image is in both
    """
    train_ids = {record.image_id for record in train}
    if shared := sorted(record.image_id for record in val if record.image_id in train_ids):
        raise DataError(
            [
                f'data: {len(shared)} images are in both train_split and val_split, such as '
                f'{shared[0]}; choose splits without common images'
            ]
        )


def _read_split(root: Path, split: str) -> list[str]:
    path = root / 'ImageSets' / 'Main' / f'{split}.txt'
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


def _read_annotation(
    path: Path, class_ids: dict[str, int]
) -> tuple[tuple[int, int], list[Object]]:
    try:
        tree = ElementTree.parse(path).getroot()
        size_wh = int(_text(tree, 'size/width')), int(_text(tree, 'size/height'))
        found = [_read_object(node) for node in tree.iter('object')]
    except (ElementTree.ParseError, ValueError, OSError) as error:
        raise DataError([f'{path}: no valid annotation ({error})']) from error
    findings = [
        f'{path}: {finding}'
        for label, box, _ in found
        for finding in _check_object(label, box, size_wh, class_ids)
    ]
    if findings:
        raise DataError(findings)
    return size_wh, [(box, class_ids[label], difficult) for label, box, difficult in found]


def _read_object(
    node: ElementTree.Element,
) -> tuple[str, tuple[float, float, float, float], bool]:
    xmin, ymin, xmax, ymax = (
        float(_text(node, f'bndbox/{name}')) for name in ('xmin', 'ymin', 'xmax', 'ymax')
    )
    is_difficult = (node.findtext('difficult') or '0').strip() == '1'
    return _text(node, 'name'), (xmin - 1, ymin - 1, xmax, ymax), is_difficult


def _text(node: ElementTree.Element, path: str) -> str:
    text = node.findtext(path)
    if text is None or not text.strip():
        raise ValueError(f'<{node.tag}> has no {path}')
    return text.strip()


def _check_object(
    label: str,
    box: tuple[float, float, float, float],
    size_wh: tuple[int, int],
    class_ids: dict[str, int],
) -> Iterator[str]:
    if label not in class_ids:
        yield f'{label}: unknown class; data.labels has {", ".join(class_ids)}'
    x1, y1, x2, y2 = box
    if not (0 <= x1 < x2 <= size_wh[0] and 0 <= y1 < y2 <= size_wh[1]):
        yield (
            f'{label}: box xmin {x1 + 1:g}, ymin {y1 + 1:g}, xmax {x2:g}, ymax {y2:g} is empty or '
            f'leaves the image of {size_wh[0]}x{size_wh[1]} px'
        )


def _to_ground_truths(objects: Sequence[Object]) -> GroundTruths:
    return GroundTruths(
        boxes_xyxy=np.array([box for box, _, _ in objects], np.float32).reshape(-1, 4),
        class_ids=np.array([class_id for _, class_id, _ in objects], np.int64),
        is_difficult=np.array([difficult for _, _, difficult in objects], bool),
    )


def _shorten(findings: list[str]) -> list[str]:
    rest = len(findings) - _SHOWN
    return [*findings[:_SHOWN], f'... and {rest} findings more'] if rest > 0 else findings
