"""Draws images of a data set or a folder, and coloured clouds where there are no photographs."""

from collections.abc import Collection, Iterator, Sequence
import hashlib
import logging
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.images.decoding import IMAGE_SUFFIXES
from ssd_detector.images.folder import walk_folder
from ssd_training.data.datasets import read_split
from ssd_training.data.images.records import ImageFile, ImageSource, Record
from ssd_training.errors import DataError
from ssd_training.experiments.data_schema import DataSettings

_NUM_IMAGES = 4
_SEED = 0

logger = logging.getLogger(__name__)


def sample_balanced(records: Sequence[Record], count: int, seed: int) -> list[Record]:
    """
    Draw images so that every class is seen: in turn one image of each class, without repetition.

    :param records: of the training split
    :param count: images wanted
    :param seed: of the draw
    :return: at most count records, in the order in which they were drawn
    """
    rng = np.random.default_rng(seed)
    shuffled = [records[index] for index in rng.permutation(len(records))]
    by_class: dict[int, list[Record]] = {}
    for record in shuffled:
        for class_id in sorted({int(number) for number in record.ground_truths.class_ids}):
            by_class.setdefault(class_id, []).append(record)
    drawn: dict[str, Record] = {}
    queues = [iter(by_class[class_id]) for class_id in sorted(by_class)]
    while queues and len(drawn) < count:
        queues = [queue for queue in queues if _draw_one(queue, drawn, count)]
    return list(drawn.values())


def _draw_one(queue: Iterator[Record], drawn: dict[str, Record], count: int) -> bool:
    """Take the first image of a class that is new; False when the class has no more."""
    if len(drawn) >= count:
        return True
    for record in queue:
        if record.image_id not in drawn:
            drawn[record.image_id] = record
            return True
    return False


def find_images(
    folder: Path, count: int, seed: int, *, excluded: Collection[str] = ()
) -> list[ImageSource]:
    """
    Draw images of a folder.

    :param folder: searched with everything below it
    :param count: images wanted
    :param seed: of the draw
    :param excluded: names of images that must not be taken: those that are tested with
    :return: at most count images, in the order in which they were drawn
    :raises DataError: when there is no such folder, no image in it, or a part of it can't be read
    """
    if not folder.is_dir():
        raise DataError([f'{folder}: no such folder of images; check the path'])
    tested = {str(Path(name).resolve()) for name in excluded}
    found = walk_folder(folder)
    if found.refused:
        raise DataError(found.describe_refused())
    paths = [path for path in found.images if str(path.resolve()) not in tested]
    if not paths:
        raise DataError(
            [
                f'{folder}: holds no image ({", ".join(IMAGE_SUFFIXES)}) but those of the '
                f'validation split; give a folder of training photographs'
            ]
        )
    order = np.random.default_rng(seed).permutation(len(paths))[:count]
    return [ImageFile(paths[index]) for index in order]


def load_images(sources: Sequence[ImageSource]) -> list[NDArray[np.uint8]]:
    """
    Decode images.

    :param sources: where they are
    :return: each (H, W, 3) uint8, RGB
    :raises DataError: with every one that can't be read
    """
    images: list[NDArray[np.uint8]] = []
    findings: list[str] = []
    for source in sources:
        try:
            images.append(source.load())
        except DataError as error:
            findings += error.findings
    if findings:
        raise DataError(findings)
    return images


def hash_images(sources: Sequence[ImageSource]) -> str:
    """
    Hash the content of images, in their order.

    :param sources: where they are
    :return: sha256, hex
    """
    digest = hashlib.sha256()
    for source in sources:
        digest.update(hashlib.sha256(source.read_bytes()).digest())
    return digest.hexdigest()


def read_sample(settings: DataSettings, size_px: int) -> list[NDArray[np.uint8]]:
    """
    Read a few real images to validate with; coloured clouds where there is no data set.

    :param settings: the section `data`
    :param size_px: side of the clouds
    :return: each (H, W, 3) uint8
    """
    try:
        records = read_split(settings, settings.splits[-1])
        sample = sample_balanced(records, _NUM_IMAGES, _SEED)
        return load_images([record.image for record in sample])
    except DataError as error:
        logger.warning('no photographs, so drawn images: %s', error.findings[0])
        return [draw_image(size_px, seed) for seed in range(_NUM_IMAGES)]


def draw_image(size_px: int, seed: int) -> NDArray[np.uint8]:
    """
    Draw coloured clouds.

    :param size_px: side
    :param seed: of the drawing
    :return: (S, S, 3) uint8
    """
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    return cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
