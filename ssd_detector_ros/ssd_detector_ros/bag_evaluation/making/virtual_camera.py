"""Moving scenes from annotated photographs: where each object is in a frame is known exactly."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
import math
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector_ros.bag_evaluation.errors import BagError
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene

Motion = Literal['pan', 'zoom', 'shake']
MOTIONS: tuple[Motion, ...] = ('pan', 'zoom', 'shake')
# Of its area; what shows less is neither hit nor miss.
_MIN_VISIBLE = 0.3
_NARROWEST = 0.5
_SHAKE_HZ = (2.3, 3.1)


@dataclass(frozen=True)
class VirtualCamera:
    """
    How the camera moves.

    :param motion: pan goes from side to side, zoom in and out, shake trembles about the middle
    :param speed_px_s: of what is seen, in pixels of the frame a second; of shake the highest
    :param size_wh: of the frames, px
    :param rate_hz: frames a second
    :param seconds: of each photograph
    """

    motion: Motion
    speed_px_s: float
    size_wh: tuple[int, int]
    rate_hz: float
    seconds: float

    def __post_init__(self) -> None:
        values = {
            'speed_px_s': self.speed_px_s,
            'rate_hz': self.rate_hz,
            'seconds': self.seconds,
            'width': self.size_wh[0],
            'height': self.size_wh[1],
        }
        findings = [
            f'{name}: {value}; expected more than 0'
            for name, value in values.items()
            if not value > 0
        ]
        if findings:
            raise BagError(findings)


def film(scene: Scene, camera: VirtualCamera) -> Iterator[Scene]:
    """
    Move the camera over a photograph.

    :param scene: the photograph; smaller ones than the frame are enlarged until they are a third
        larger
    :param camera: how
    :return: a frame each, with the boxes as they are then
    """
    image_rgb, scale = _enlarge(scene.load(), camera.size_wh)
    objects = scene.objects or Objects.empty()
    height_px, width_px = image_rgb.shape[:2]
    for index in range(round(camera.seconds * camera.rate_hz)):
        window = _window(camera, index / camera.rate_hz, (width_px, height_px))
        frame = _cut(image_rgb, window, camera.size_wh)
        yield Scene(
            f'{scene.name}_{index:04}',
            _give(frame),
            _see(objects, window, scale, camera.size_wh),
        )


def _give(frame: NDArray[np.uint8]) -> Callable[[], NDArray[np.uint8]]:
    return lambda: frame


def _enlarge(
    image_rgb: NDArray[np.uint8], size_wh: tuple[int, int]
) -> tuple[NDArray[np.uint8], NDArray[np.float64]]:
    height_px, width_px = image_rgb.shape[:2]
    factor = max(1.0, 4 / 3 * size_wh[0] / width_px, 4 / 3 * size_wh[1] / height_px)
    if factor == 1:
        return image_rgb, np.ones(2)
    large_wh = round(width_px * factor), round(height_px * factor)
    large = cv2.resize(image_rgb, large_wh, interpolation=cv2.INTER_LINEAR)
    return np.asarray(large, np.uint8), np.array(large_wh) / [width_px, height_px]


def _window(
    camera: VirtualCamera, time_s: float, image_wh: tuple[int, int]
) -> tuple[float, float, float, float]:
    """Say what is seen: left, top, width, height, px of the photograph."""
    width, height = camera.size_wh
    room_x, room_y = image_wh[0] - width, image_wh[1] - height
    if camera.motion == 'pan':
        # Whole pixels: no frame is blurred by where it lies.
        left = round(_bounce(camera.speed_px_s * time_s, room_x))
        return left, room_y // 2, width, height
    if camera.motion == 'zoom':
        # Half of the width goes at each side: an edge moves by the speed.
        narrow = _bounce(2 * camera.speed_px_s * time_s / width, 1 - _NARROWEST)
        seen_w, seen_h = width * (1 - narrow), height * (1 - narrow)
        return (image_wh[0] - seen_w) / 2, (image_wh[1] - seen_h) / 2, seen_w, seen_h
    offsets = []
    for frequency_hz, room in zip(_SHAKE_HZ, (room_x, room_y), strict=True):
        amplitude = min(camera.speed_px_s / (2 * math.pi * frequency_hz), room / 2)
        swing = amplitude * math.sin(2 * math.pi * frequency_hz * time_s)
        offsets.append(round(room / 2 + swing))
    return offsets[0], offsets[1], width, height


def _bounce(way: float, room: float) -> float:
    """Go to the end and back, again and again."""
    if room <= 0:
        return 0.0
    phase = way % (2 * room)
    return min(phase, 2 * room - phase)


def _cut(
    image_rgb: NDArray[np.uint8],
    window: tuple[float, float, float, float],
    size_wh: tuple[int, int],
) -> NDArray[np.uint8]:
    left, top, width, height = window
    if width == size_wh[0] and height == size_wh[1]:
        x, y = int(left), int(top)
        return np.ascontiguousarray(image_rgb[y : y + size_wh[1], x : x + size_wh[0]])
    scale_x, scale_y = width / size_wh[0], height / size_wh[1]
    # Pixel centres lie at halves.
    matrix = np.array(
        [
            [scale_x, 0, left + 0.5 * scale_x - 0.5],
            [0, scale_y, top + 0.5 * scale_y - 0.5],
        ]
    )
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    cut = cv2.warpAffine(image_rgb, matrix, size_wh, flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return np.asarray(cut, np.uint8)


def _see(
    objects: Objects,
    window: tuple[float, float, float, float],
    scale: NDArray[np.float64],
    size_wh: tuple[int, int],
) -> Objects:
    """Move the boxes into the frame, and clip them there."""
    left, top, width, height = window
    boxes = objects.boxes_xyxy * np.tile(scale, 2) - [left, top, left, top]
    boxes = boxes * np.tile(np.array(size_wh) / [width, height], 2)
    areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    clipped = np.clip(boxes, 0, np.tile(size_wh, 2))
    seen = np.prod(clipped[:, 2:] - clipped[:, :2], axis=1) / np.maximum(areas, 1e-9)
    is_difficult = objects.is_difficult | (seen < _MIN_VISIBLE)
    return Objects(clipped, objects.labels, is_difficult).select(seen > 0)
