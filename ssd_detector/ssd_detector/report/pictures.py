"""Pictures for a page: pixels as a data URI, and the boxes that the page draws over them."""

import base64
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.detections import Detections
from ssd_detector.evaluation.worst_images import WorstImage

_MAX_SIDE_PX = 480
_JPEG_QUALITY = 78

Mark = Literal['hit', 'false', 'missed']


@dataclass(frozen=True)
class MarkedBox:
    """
    A box over a picture.

    :param mark: hit and false are detections; missed is an annotated object
    :param text: what stands beside it
    :param box_xyxy: px of the original image
    """

    mark: Mark
    text: str
    box_xyxy: tuple[float, float, float, float]


@dataclass(frozen=True)
class ReportPicture:
    """
    A picture of a page.

    :param image_id: its name
    :param caption: why it is shown
    :param size_wh: px of the original image
    :param data_uri: a smaller JPEG
    :param boxes: drawn in this order
    """

    image_id: str
    caption: str
    size_wh: tuple[int, int]
    data_uri: str
    boxes: tuple[MarkedBox, ...]


def mark_worst(
    worst: WorstImage, image_rgb: NDArray[np.uint8], labels: Sequence[str]
) -> ReportPicture:
    """
    Show the errors of an image.

    :param worst: from find_worst_images
    :param image_rgb: (H, W, 3) uint8, RGB
    :param labels: names of the classes 1, 2, ...
    :return: the picture
    """
    num_false, num_missed = len(worst.false_detections), len(worst.missed.class_ids)
    missed = [
        MarkedBox('missed', labels[class_id - 1], (x1, y1, x2, y2))
        for class_id, (x1, y1, x2, y2) in zip(
            worst.missed.class_ids.tolist(), worst.missed.boxes_xyxy.tolist(), strict=True
        )
    ]
    return ReportPicture(
        image_id=worst.image_id,
        caption=f'{num_missed} missed, {num_false} wrong, {len(worst.hits)} right',
        size_wh=(image_rgb.shape[1], image_rgb.shape[0]),
        data_uri=encode_picture(image_rgb),
        boxes=(*missed, *_mark('hit', worst.hits), *_mark('false', worst.false_detections)),
    )


def _mark(mark: Mark, detections: Detections) -> Iterator[MarkedBox]:
    rows = zip(
        detections.labels,
        detections.scores.tolist(),
        detections.boxes_xyxy.tolist(),
        strict=True,
    )
    for label, score, (x1, y1, x2, y2) in rows:
        yield MarkedBox(mark, f'{label} {score:.2f}', (x1, y1, x2, y2))


def encode_picture(image_rgb: NDArray[np.uint8]) -> str:
    """
    Make a JPEG that a page can hold.

    :param image_rgb: (H, W, 3) uint8, RGB
    :return: a data URI; the longer side has at most 480 px
    """
    height, width = image_rgb.shape[:2]
    scale = min(_MAX_SIDE_PX / max(height, width), 1)
    size_wh = max(round(width * scale), 1), max(round(height * scale), 1)
    small = cv2.resize(image_rgb, size_wh, interpolation=cv2.INTER_AREA)
    bgr = cv2.cvtColor(small, cv2.COLOR_RGB2BGR)
    _, encoded = cv2.imencode('.jpg', bgr, [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY])
    return 'data:image/jpeg;base64,' + base64.b64encode(encoded.tobytes()).decode('ascii')
