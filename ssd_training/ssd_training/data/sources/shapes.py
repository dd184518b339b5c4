"""Generated images: coloured shapes on textured grounds, for tests and the smoke experiment."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.boxes import iou_matrix
from ssd_detector.evaluation.voc import GroundTruths
from ssd_training.data.images.records import Record

_SPLITS = ('train', 'val')
_MAX_OBJECTS = 3
_SIDES = (0.25, 0.6)  # Of the image's side.
_PLACE_TRIES = 20
_MIN_CONTRAST = 90  # Between a shape and the ground, and between the channels of a shape.

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Scene:
    """
    One image that is drawn whenever it is needed; equal numbers give equal pixels.

    :param size_px: side of the square image
    :param labels: the shapes to choose from
    :param numbers: the seed, the number of the split, the number of the image
    """

    size_px: int
    labels: tuple[str, ...]
    numbers: tuple[int, int, int]

    @property
    def name(self) -> str:
        """Name the image."""
        return f'shapes {self.numbers}'

    @property
    def identity(self) -> str:
        """Tell images apart."""
        return repr(self)

    def load(self) -> Image:
        """
        Draw the image.

        :return: (S, S, 3) uint8, RGB
        """
        return self.draw()[0]

    def read_bytes(self) -> bytes:
        """
        Draw the image as PNG.

        :return: content of a file
        """
        _, encoded = cv2.imencode('.png', cv2.cvtColor(self.load(), cv2.COLOR_RGB2BGR))
        return encoded.tobytes()

    def version(self) -> str:
        """
        Tell what the pixels depend on.

        :return: text that differs when the pixels do
        """
        return repr(self)

    def draw(self) -> tuple[Image, GroundTruths]:
        """
        Draw the image and tell what is in it.

        :return: (S, S, 3) uint8, RGB, and the tight boxes of the shapes
        """
        rng = np.random.default_rng(self.numbers)
        image_rgb = _draw_ground(rng, self.size_px)
        boxes = np.zeros((0, 4), np.float32)
        class_ids = []
        for _ in range(rng.integers(1, _MAX_OBJECTS + 1)):
            edges = _find_place(rng, self.size_px, boxes)
            if edges is None:
                continue
            class_id = int(rng.integers(1, len(self.labels) + 1))
            mask = _MASKS[self.labels[class_id - 1]](self.size_px, edges)
            image_rgb[mask] = _draw_color(rng, image_rgb[mask].mean(axis=0))
            x, y, width, height = cv2.boundingRect(mask.astype(np.uint8))
            box = np.array([[x, y, x + width, y + height]], np.float32)
            boxes = np.concatenate([boxes, box])
            class_ids.append(class_id)
        is_difficult = np.zeros(len(class_ids), bool)
        return image_rgb, GroundTruths(boxes, np.array(class_ids, np.int64), is_difficult)


def generate_shapes(
    split: str, *, labels: Sequence[str], num_images: int, size_px: int, seed: int
) -> list[Record]:
    """
    Make a split; no file is read or written.

    :param split: train or val
    :param labels: shapes, names of the classes 1, 2, ...
    :param num_images: of the split
    :param size_px: side of the images
    :param seed: of everything random
    :return: the records
    """
    records = []
    for number in range(num_images):
        scene = Scene(size_px, tuple(labels), (seed, _SPLITS.index(split), number))
        _, truths = scene.draw()
        records.append(Record(f'{split}_{number:06d}', scene, (size_px, size_px), truths))
    return records


def _draw_ground(rng: np.random.Generator, size_px: int) -> Image:
    """Draw soft, almost grey stains with a grain on top."""
    rows, columns = rng.integers(2, 7, 2)
    stains = rng.uniform(60, 196, (rows, columns, 1)) + rng.uniform(-25, 25, (rows, columns, 3))
    ground = cv2.resize(
        stains.astype(np.float32), (size_px, size_px), interpolation=cv2.INTER_CUBIC
    )
    grain = rng.normal(0, rng.uniform(3, 15), ground.shape)
    return np.clip(ground + grain, 0, 255).astype(np.uint8)


def _find_place(
    rng: np.random.Generator, size_px: int, boxes: NDArray[np.float32]
) -> tuple[int, int, int, int] | None:
    """Draw edges that overlap nothing that is there already."""
    for _ in range(_PLACE_TRIES):
        width, height = rng.uniform(*_SIDES, 2) * size_px
        x1, y1 = rng.uniform(0, size_px - width), rng.uniform(0, size_px - height)
        edges = np.array([[x1, y1, x1 + width, y1 + height]], np.float32).round()
        if not iou_matrix(edges, boxes).any():
            x1, y1, x2, y2 = (int(value) for value in edges[0])
            return x1, y1, x2, y2
    return None


def _draw_color(rng: np.random.Generator, ground_rgb: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Draw a colour that stands out: much in one channel, little in another."""
    while True:
        color = rng.integers(0, 256, 3)
        if np.ptp(color) >= _MIN_CONTRAST and np.max(np.abs(color - ground_rgb)) >= _MIN_CONTRAST:
            return color.astype(np.uint8)


def _rectangle(size_px: int, edges: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    x1, y1, x2, y2 = edges
    mask = np.zeros((size_px, size_px), bool)
    mask[y1:y2, x1:x2] = True
    return mask


def _ellipse(size_px: int, edges: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    x1, y1, x2, y2 = edges
    y, x = np.arange(size_px)[:, None] + 0.5, np.arange(size_px)[None] + 0.5
    return ((2 * x - x1 - x2) / (x2 - x1)) ** 2 + ((2 * y - y1 - y2) / (y2 - y1)) ** 2 <= 1


def _triangle(size_px: int, edges: tuple[int, int, int, int]) -> NDArray[np.bool_]:
    """Fill a triangle that stands on its base."""
    x1, y1, x2, y2 = edges
    mask = np.zeros((size_px, size_px), np.uint8)
    corners = np.array([[x1, y2 - 1], [x2 - 1, y2 - 1], [(x1 + x2) // 2, y1]], np.int32)
    return cv2.fillPoly(mask, [corners], 1).astype(bool)


_MASKS: dict[str, Callable[[int, tuple[int, int, int, int]], NDArray[np.bool_]]] = {
    'rectangle': _rectangle,
    'ellipse': _ellipse,
    'triangle': _triangle,
}
