"""A contact sheet: what the network is shown, with its boxes."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ssd_detector.images.drawing import class_color_rgb, draw_box
from ssd_training.data.batches.pipeline import training_batches
from ssd_training.data.images.records import Record
from ssd_training.experiments.data_schema import AugmentationSettings

_GAP_PX = 6
_GROUND = 24


def draw_preview(
    records: Sequence[Record],
    settings: AugmentationSettings,
    *,
    labels: Sequence[str],
    size_px: int,
    num_images: int,
    seed: int,
    skips_unreadable: bool = False,
) -> NDArray[np.uint8]:
    """
    Draw the samples that a training begins with, side by side.

    :param records: of the train split
    :param settings: the section `augmentation`
    :param labels: names of the classes 1, 2, ...
    :param size_px: side of the model's input
    :param num_images: samples
    :param seed: of the training
    :param skips_unreadable: see training_batches
    :return: (H, W, 3) uint8, RGB
    """
    num_images = min(num_images, len(records))
    images, *truths = next(
        iter(
            training_batches(
                records,
                settings,
                size_hw=(size_px, size_px),
                batch_size=num_images,
                epochs=1,
                seed=seed,
                skips_unreadable=skips_unreadable,
            )
        )
    )
    tiles = [
        _draw_sample(image, boxes, class_ids, is_difficult, labels)
        for image, boxes, class_ids, is_difficult in zip(
            np.round(images.numpy() * 255).astype(np.uint8),
            *(part.numpy() for part in truths),
            strict=True,
        )
    ]
    return join_tiles(tiles)


def join_tiles(tiles: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """
    Put images of one size into rows, about as many as columns.

    :param tiles: (H, W, 3) uint8 each
    :return: one image
    """
    columns = int(np.ceil(np.sqrt(len(tiles))))
    rows = -(-len(tiles) // columns)
    height, width = (side + _GAP_PX for side in tiles[0].shape[:2])
    sheet = np.full((rows * height + _GAP_PX, columns * width + _GAP_PX, 3), _GROUND, np.uint8)
    for number, tile in enumerate(tiles):
        y = number // columns * height + _GAP_PX
        x = number % columns * width + _GAP_PX
        sheet[y : y + tile.shape[0], x : x + tile.shape[1]] = tile
    return sheet


def _draw_sample(
    image_rgb: NDArray[np.uint8],
    boxes_xyxy: NDArray[np.float32],
    class_ids: NDArray[np.int32],
    is_difficult: NDArray[np.bool_],
    labels: Sequence[str],
) -> NDArray[np.uint8]:
    canvas = image_rgb.copy()
    corners = np.rint(boxes_xyxy * image_rgb.shape[0]).astype(int)
    scale = max(image_rgb.shape[0] / 700, 0.35)
    for box, class_id, difficult in zip(corners, class_ids, is_difficult, strict=True):
        if class_id > 0:
            text = labels[class_id - 1] + (' (difficult)' if difficult else '')
            draw_box(canvas, box, text, color_rgb=class_color_rgb(int(class_id)), scale=scale)
    return canvas
