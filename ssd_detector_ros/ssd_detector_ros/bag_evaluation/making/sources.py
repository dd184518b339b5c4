"""What recordings are made of: VOC and COCO data, folders of images, videos."""

from collections.abc import Callable, Iterator
import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector import ImageError
from ssd_detector.images.decoding import decode_image, IMAGE_SUFFIXES
from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene

_EDGES = ('xmin', 'ymin', 'xmax', 'ymax')
_VIDEO_SUFFIXES = ('.mp4', '.avi', '.mkv', '.mov', '.webm', '.m4v', '.mjpeg')


def open_source(path: Path, *, split: str | None, images: Path | None) -> Iterator[Scene]:
    """
    Find out what a path is, and read it image by image.

    :param path: VOC folder, COCO file `*.json`, folder of images, or a video
    :param split: list of a VOC folder, such as val; None takes every annotated image
    :param images: folder of the images of a COCO file; None looks beside the file
    :return: the images in order
    :raises BagError: with everything that is missing or wrong
    """
    if not path.exists():
        raise BagError([f'{path}: no such file or folder; expected images, VOC, COCO or a video'])
    if path.is_dir() and (path / 'Annotations').is_dir():
        return _read_voc(path, split)
    if split is not None:
        raise BagError([f'{path}: --split needs a VOC folder (Annotations, ImageSets/Main)'])
    if path.is_dir():
        return _read_folder(path)
    if path.suffix.lower() == '.json':
        return _read_coco(path, images or path.parent)
    if path.suffix.lower() in _VIDEO_SUFFIXES:
        return _read_video(path)
    raise BagError(
        [
            f'{path}: expected a VOC folder, a COCO file *.json, a folder of images, or a video '
            f'({", ".join(_VIDEO_SUFFIXES)})'
        ]
    )


def load_image(path: Path) -> NDArray[np.uint8]:
    """
    Read an image file, as it is stored.

    :param path: the file
    :return: (H, W, 3) uint8, RGB
    :raises BagError: when it is no image
    """
    try:
        return decode_image(path.read_bytes())
    except (OSError, ImageError) as error:
        raise BagError([f'{path}: {error}']) from error


def _read_folder(path: Path) -> Iterator[Scene]:
    files = sorted(file for file in path.rglob('*') if file.suffix.lower() in IMAGE_SUFFIXES)
    if not files:
        raise BagError([f'{path}: no images ({", ".join(IMAGE_SUFFIXES)})'])
    return (_scene(file, None) for file in files)


def _scene(file: Path, objects: Objects | None, name: str = '') -> Scene:
    return Scene(name or file.stem, lambda: load_image(file), objects)


def _read_voc(path: Path, split: str | None) -> Iterator[Scene]:
    annotations = path / 'Annotations'
    if split is None:
        names = sorted(file.stem for file in annotations.glob('*.xml'))
    else:
        names = _read_list(path / 'ImageSets' / 'Main', split)
    files = {
        file.stem: file
        for file in sorted((path / 'JPEGImages').glob('*'))
        if file.suffix.lower() in IMAGE_SUFFIXES
    }
    findings = [f'{annotations}/{name}.xml: no image of it' for name in names if name not in files]
    if findings or not names:
        raise BagError(findings[:20] or [f'{annotations}: no *.xml'])
    return (_scene(files[name], _read_xml(annotations / f'{name}.xml'), name) for name in names)


def _read_list(folder: Path, split: str) -> list[str]:
    file = folder / f'{split}.txt'
    if not file.is_file():
        there = ', '.join(sorted(path.stem for path in folder.glob('*.txt'))[:10]) or 'none'
        raise BagError([f'{file}: no such list; there are: {there}'])
    lines = file.read_text(encoding='utf-8').splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _read_xml(path: Path) -> Objects:
    """Read a VOC annotation: its pixels count from 1 and are inclusive."""
    try:
        nodes = list(ElementTree.parse(path).getroot().iter('object'))
        rows = [
            [
                float(node.findtext(f'bndbox/{name}', ''))
                for name in ('xmin', 'ymin', 'xmax', 'ymax')
            ]
            for node in nodes
        ]
    except (OSError, ElementTree.ParseError, ValueError) as error:
        raise BagError([f'{path}: no valid VOC annotation ({error})']) from error
    return Objects(
        np.array(rows, np.float64).reshape(-1, 4) - [1, 1, 0, 0],
        tuple((node.findtext('name') or '').strip() for node in nodes),
        np.array([node.findtext('difficult', '0').strip() == '1' for node in nodes], bool),
    )


def _read_coco(path: Path, folder: Path) -> Iterator[Scene]:
    try:
        tree = json.loads(path.read_text(encoding='utf-8'))
        names = {category['id']: str(category['name']) for category in tree['categories']}
        by_image: dict[Any, list[Any]] = {image['id']: [] for image in tree['images']}
        for annotation in tree['annotations']:
            by_image[annotation['image_id']].append(annotation)
        scenes = [
            (folder / image['file_name'], _coco_objects(by_image[image['id']], names))
            for image in tree['images']
        ]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BagError([f'{path}: no COCO annotations ({error!r})']) from error
    missing = [str(file) for file, _ in scenes if not file.is_file()]
    if missing or not scenes:
        raise BagError(
            [
                f'{path}: {len(missing)} of {len(scenes)} images are missing, such as '
                f'{missing[0] if missing else "-"}; name their folder: --images DIR'
            ]
        )
    return (_scene(file, objects) for file, objects in scenes)


def _coco_objects(rows: list[Any], names: dict[Any, str]) -> Objects:
    boxes = np.array([row['bbox'] for row in rows], np.float64).reshape(-1, 4)
    boxes[:, 2:] += boxes[:, :2]
    return Objects(
        boxes,
        tuple(names[row['category_id']] for row in rows),
        np.array([bool(row.get('iscrowd', 0)) for row in rows], bool),
    )


def _read_video(path: Path) -> Iterator[Scene]:
    capture = cv2.VideoCapture(str(path))
    if not capture.isOpened():
        raise BagError([f'{path}: can not be opened as a video; convert it to H.264 in .mp4'])
    return _list_frames(capture, path)


def _list_frames(capture: cv2.VideoCapture, path: Path) -> Iterator[Scene]:
    number = 0
    while True:
        is_read, image_bgr = capture.read()
        if not is_read:
            break
        image_rgb = np.asarray(cv2.cvtColor(image_bgr, cv2.COLOR_BGR2RGB), np.uint8)
        yield Scene(f'{path.stem}_{number:06}', _give(image_rgb), None)
        number += 1
    capture.release()
    if not number:
        raise BagError([f'{path}: holds no frame that can be decoded'])


def _give(image_rgb: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
    return lambda: image_rgb
