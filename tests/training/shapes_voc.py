"""A small data set in VOC's layout: coloured rectangles on a dark ground."""

from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np

LABELS = ('red', 'green', 'blue')
COLORS_RGB = ((230, 20, 20), (20, 230, 20), (20, 20, 230))
GROUND_RGB = (40, 40, 40)
SIZE_WH = (120, 90)

Object = tuple[str, tuple[int, int, int, int], bool]  # label, edges in px, difficult


def write_shapes_voc(
    data_root: Path, *, num_train: int = 8, num_val: int = 4, seed: int = 0
) -> Path:
    """
    Write VOCdevkit/VOC2007 with the splits train and val.

    :param data_root: where VOCdevkit is made
    :param num_train: images
    :param num_val: images
    :param seed: of the rectangles
    :return: the folder VOC2007
    """
    rng = np.random.default_rng(seed)
    root = data_root / 'VOCdevkit/VOC2007'
    ids = [f'{number:06d}' for number in range(1, num_train + num_val + 1)]
    for image_id in ids:
        write_image(root, image_id, [_draw_object(rng) for _ in range(rng.integers(1, 3))])
    write_split(root, 'train', ids[:num_train])
    write_split(root, 'val', ids[num_train:])
    return root


def write_split(root: Path, split: str, ids: Sequence[str]) -> None:
    """
    Write the list of a split.

    :param root: the folder VOC2007
    :param split: its name
    :param ids: of the images
    """
    folder = root / 'ImageSets/Main'
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f'{split}.txt').write_text('\n'.join(ids) + '\n')


def write_image(
    root: Path, image_id: str, objects: Sequence[Object], *, ground: Sequence[int] = GROUND_RGB
) -> None:
    """
    Write JPEG and XML of one image.

    :param root: the folder VOC2007
    :param image_id: name of the files
    :param objects: what is drawn, in this order; other labels than LABELS are drawn white
    :param ground: colour around the objects, RGB
    """
    width, height = SIZE_WH
    image = np.full((height, width, 3), ground, np.uint8)
    for label, (x1, y1, x2, y2), _ in objects:
        image[y1:y2, x1:x2] = dict(zip(LABELS, COLORS_RGB, strict=True)).get(label, (255,) * 3)
    for folder in ('JPEGImages', 'Annotations'):
        (root / folder).mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(root / f'JPEGImages/{image_id}.jpg'), image[..., ::-1])
    annotation = ElementTree.Element('annotation')
    _add(annotation, 'size', {'width': width, 'height': height, 'depth': 3})
    for label, (x1, y1, x2, y2), is_difficult in objects:
        node = _add(annotation, 'object', {'name': label, 'difficult': int(is_difficult)})
        # The XML counts pixels from 1 and includes the last one.
        _add(node, 'bndbox', {'xmin': x1 + 1, 'ymin': y1 + 1, 'xmax': x2, 'ymax': y2})
    ElementTree.ElementTree(annotation).write(root / f'Annotations/{image_id}.xml')


def _draw_object(rng: np.random.Generator) -> Object:
    width, height = rng.integers(20, 60, 2)
    x1, y1 = rng.integers(0, SIZE_WH[0] - width), rng.integers(0, SIZE_WH[1] - height)
    box = tuple(int(value) for value in (x1, y1, x1 + width, y1 + height))
    return LABELS[rng.integers(3)], box, bool(rng.random() < 0.1)


def _add(
    parent: ElementTree.Element, name: str, children: dict[str, object]
) -> ElementTree.Element:
    node = ElementTree.SubElement(parent, name)
    for child, value in children.items():
        ElementTree.SubElement(node, child).text = str(value)
    return node
