"""Drawn pictures of two classes in the folders that labelling tools export."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
import json
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
import skimage.data

from ssd_training.preparation.preparing import Prepared

LABELS = ('ball', 'traffic cone')
_SUFFIXES = ('.jpg', '.JPG', '.png', '.jpeg')
_SIZES_WH = ((320, 240), (300, 300), (400, 280))


@dataclass(frozen=True)
class Drawn:
    """
    One picture.

    :param name: of its file
    :param image_rgb: (H, W, 3) uint8
    :param objects: label and edges, px
    """

    name: str
    image_rgb: NDArray[np.uint8]
    objects: Sequence[tuple[str, tuple[int, int, int, int]]]

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.image_rgb.shape[1], self.image_rgb.shape[0]

    def write(self, folder: Path) -> Path:
        """
        Write the picture.

        :param folder: is made
        :return: the file
        """
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / self.name
        bgr = cv2.cvtColor(self.image_rgb, cv2.COLOR_RGB2BGR)
        path.write_bytes(cv2.imencode(path.suffix.lower(), bgr)[1].tobytes())
        return path


def draw(count: int, seed: int = 0) -> list[Drawn]:
    """
    Draw balls and traffic cones on parts of photographs.

    :param count: pictures
    :param seed: of everything random
    :return: the pictures, names as phones and cameras give them
    """
    rng = np.random.default_rng(seed)
    grounds = (skimage.data.chelsea(), skimage.data.coffee(), skimage.data.rocket())
    return [_draw(rng, index, grounds[index % len(grounds)]) for index in range(count)]


def _draw(rng: np.random.Generator, index: int, ground: NDArray[np.uint8]) -> Drawn:
    width, height = _SIZES_WH[index % len(_SIZES_WH)]
    y = rng.integers(0, ground.shape[0] - height + 1)
    x = rng.integers(0, ground.shape[1] - width + 1)
    image = np.ascontiguousarray(ground[y : y + height, x : x + width, :3])
    objects: list[tuple[str, tuple[int, int, int, int]]] = []
    for number in range(1 + index % 3):
        side = int(rng.integers(50, 120))
        x1, y1 = int(rng.integers(0, width - side)), int(rng.integers(0, height - side))
        box = (x1, y1, x1 + side, y1 + side)
        if all(_is_apart(box, other) for _, other in objects):
            label = LABELS[(index + number) % 2]
            (_draw_ball if label == 'ball' else _draw_cone)(image, x1, y1, side)
            objects.append((label, box))
    return Drawn(f'IMG {index:04d}{_SUFFIXES[index % 4]}', image, objects)


def _is_apart(box: Sequence[int], other: Sequence[int]) -> bool:
    return box[2] < other[0] or other[2] < box[0] or box[3] < other[1] or other[3] < box[1]


def _draw_ball(image: NDArray[np.uint8], x: int, y: int, side: int) -> None:
    cv2.circle(image, (x + side // 2, y + side // 2), side // 2, (230, 30, 30), -1)
    cv2.circle(image, (x + side // 3, y + side // 3), side // 8, (255, 200, 200), -1)


def _draw_cone(image: NDArray[np.uint8], x: int, y: int, side: int) -> None:
    cone = [[x + side // 2, y], [x, y + side], [x + side, y + side]]
    cv2.fillPoly(image, [np.array(cone)], (255, 130, 0))
    top, bottom = y + side // 2, y + side * 2 // 3
    band = [[x + side // 4, top], [x + side * 3 // 4, top]]
    band += [[x + side * 5 // 6, bottom], [x + side // 6, bottom]]
    cv2.fillPoly(image, [np.array(band)], (255, 255, 255))


def drawn_boxes(pictures: Sequence[Drawn]) -> dict[str, list]:
    """Give the labels and edges of each picture by its stem."""
    return {Path(picture.name).stem: sorted(picture.objects) for picture in pictures}


def change_coco(path: Path, change: Callable[[dict], object]) -> None:
    """
    Change a COCO file.

    :param path: of the file
    :param change: is given the tree
    """
    tree = json.loads(path.read_text())
    change(tree)
    path.write_text(json.dumps(tree))


def boxes_of(prepared: Prepared) -> dict[str, list]:
    """Give what was prepared in the form of drawn_boxes."""
    return {
        Path(annotation.image.name).stem.rpartition('-')[2]: sorted(
            (found.label, tuple(round(edge) for edge in found.box_xyxy))
            for found in annotation.objects
        )
        for annotations in prepared.splits.values()
        for annotation in annotations
    }


def count_kinds(prepared: Prepared) -> Counter[str]:
    """Count the findings of each kind."""
    return Counter(finding.kind for finding in prepared.findings)


def texts_of(prepared: Prepared, kind: str) -> list[str]:
    """List what the findings of a kind say."""
    return [finding.text for finding in prepared.findings if finding.kind == kind]


def labelimg(root: Path, pictures: Sequence[Drawn]) -> None:
    """LabelImg: XML beside the pictures, with paths of a Windows machine; counts from 1."""
    for picture in pictures:
        path = picture.write(root)
        extra = f'<path>C:\\Users\\me\\photos\\{picture.name}</path>'
        path.with_suffix('.xml').write_text(_voc_xml(picture, base=1, extra=extra))


def cvat_voc(root: Path, pictures: Sequence[Drawn]) -> None:
    """CVAT, PASCAL VOC 1.1: VOC's tree with one list, a label map, floats that count from 0."""
    (root / 'Annotations').mkdir(parents=True)
    (root / 'ImageSets/Main').mkdir(parents=True)
    for picture in pictures:
        path = picture.write(root / 'JPEGImages')
        xml = root / f'Annotations/{path.stem}.xml'
        xml.write_text(_voc_xml(picture, base=0.0))
    stems = [Path(picture.name).stem for picture in pictures]
    (root / 'ImageSets/Main/default.txt').write_text('\n'.join(stems))
    lines = ['# label:color_rgb:parts:actions', 'background:0,0,0::']
    lines += [f'{label}:250,50,83::' for label in LABELS]
    (root / 'labelmap.txt').write_text('\n'.join(lines))


def label_studio_coco(root: Path, pictures: Sequence[Drawn]) -> None:
    """Label Studio, COCO: result.json, numbers from 0, file names with backslashes."""
    renamed = [
        Drawn(f'{i:08x}-{picture.name}', picture.image_rgb, picture.objects)
        for i, picture in enumerate(pictures)
    ]
    for picture in renamed:
        picture.write(root / 'images')
    tree = _coco(renamed, [{'id': i, 'name': label} for i, label in enumerate(LABELS)], first=0)
    for image in tree['images']:
        image['file_name'] = f'images\\{image["file_name"]}'
    (root / 'result.json').write_text(json.dumps(tree))


def roboflow_coco(root: Path, pictures: Sequence[Drawn]) -> None:
    """Roboflow, COCO: train and valid, each counting from 0, a group in front of the classes."""
    categories = [{'id': 0, 'name': 'cones-7', 'supercategory': 'none'}]
    categories += [
        {'id': i, 'name': label, 'supercategory': 'cones-7'} for i, label in enumerate(LABELS, 1)
    ]
    cut = len(pictures) * 4 // 5
    for split, part in (('train', pictures[:cut]), ('valid', pictures[cut:])):
        for picture in part:
            picture.write(root / split)
        tree = _coco(part, categories, first=0)
        (root / split / '_annotations.coco.json').write_text(json.dumps(tree))
    (root / 'README.roboflow.txt').write_text('cones - v7\n')


def yolo(root: Path, pictures: Sequence[Drawn]) -> None:
    """Ultralytics' YOLO: images/ and labels/ with one split, names in data.yaml."""
    (root / 'labels/train').mkdir(parents=True)
    for picture in pictures:
        path = picture.write(root / 'images/train')
        lines = [_yolo_line(picture, label, box) for label, box in picture.objects]
        (root / f'labels/train/{path.stem}.txt').write_text('\n'.join(lines))
    names = '\n'.join(f'  {number}: {label}' for number, label in enumerate(LABELS))
    (root / 'data.yaml').write_text(
        f'path: ../datasets/cones\ntrain: images/train\nnames:\n{names}\n'
    )


LAYOUTS: dict[str, Callable[[Path, Sequence[Drawn]], None]] = {
    'labelimg': labelimg,
    'cvat_voc': cvat_voc,
    'label_studio_coco': label_studio_coco,
    'roboflow_coco': roboflow_coco,
    'yolo': yolo,
}


def _yolo_line(picture: Drawn, label: str, box: Sequence[int]) -> str:
    (x1, y1, x2, y2), (width, height) = box, picture.size_wh
    values = ((x1 + x2) / 2 / width, (y1 + y2) / 2 / height, (x2 - x1) / width, (y2 - y1) / height)
    return ' '.join([str(LABELS.index(label)), *(f'{value:.6f}' for value in values)])


def _voc_xml(picture: Drawn, *, base: float, extra: str = '') -> str:
    width, height = picture.size_wh
    objects = ''.join(
        f'<object><name>{label}</name><difficult>0</difficult><bndbox><xmin>{x1 + base}</xmin>'
        f'<ymin>{y1 + base}</ymin><xmax>{x2}</xmax><ymax>{y2}</ymax></bndbox></object>'
        for label, (x1, y1, x2, y2) in picture.objects
    )
    return (
        f'<annotation><filename>{picture.name}</filename>{extra}<size><width>{width}</width>'
        f'<height>{height}</height><depth>3</depth></size>{objects}</annotation>'
    )


def _coco(pictures: Sequence[Drawn], categories: list[dict], *, first: int) -> dict:
    numbers = {category['name']: category['id'] for category in categories}
    images, annotations = [], []
    for image_id, picture in enumerate(pictures, first):
        width, height = picture.size_wh
        images.append(
            {'id': image_id, 'file_name': picture.name, 'width': width, 'height': height}
        )
        for label, (x1, y1, x2, y2) in picture.objects:
            annotations.append(
                {
                    'id': len(annotations),
                    'image_id': image_id,
                    'category_id': numbers[label],
                    'bbox': [x1, y1, x2 - x1, y2 - y1],
                    'area': (x2 - x1) * (y2 - y1),
                    'iscrowd': 0,
                }
            )
    return {'images': images, 'annotations': annotations, 'categories': categories}
