"""Boxes and labels on an image, readable on any background."""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_detector.detections import Detections
from ssd_detector.images.lettering import measure_text, put_text

# Steps of the golden ratio keep the hues of neighbouring classes apart, however many there are.
_HUE_STEP = 0.618034


def class_color_rgb(class_id: int) -> tuple[int, int, int]:
    """
    Return the colour of a class; the same in every run.

    :param class_id: any
    :return: red, green, blue in 0..255
    """
    red, green, blue = colorsys.hsv_to_rgb(class_id * _HUE_STEP % 1, 0.9, 0.8)
    return round(red * 255), round(green * 255), round(blue * 255)


def text_color_rgb(background_rgb: tuple[int, int, int]) -> tuple[int, int, int]:
    """
    Choose black or white, whichever stands out more.

    :param background_rgb: in 0..255
    :return: red, green, blue
    """
    red, green, blue = background_rgb
    # Luma of ITU-R BT.601: green looks brighter than blue.
    is_bright = 0.299 * red + 0.587 * green + 0.114 * blue > 127
    return (0, 0, 0) if is_bright else (255, 255, 255)


def draw_detections(image_rgb: NDArray[np.uint8], detections: Detections) -> NDArray[np.uint8]:
    """
    Draw the boxes with label and score on a copy of the image.

    :param image_rgb: (H, W, 3) uint8; is not changed
    :param detections: in pixels of this image
    :return: (H, W, 3) uint8, RGB
    """
    canvas: NDArray[np.uint8] = np.ascontiguousarray(image_rgb).copy()
    scale = max(min(canvas.shape[:2]) / 700, 0.4)
    # The worst first, so that the best box and its label lie on top.
    for index in reversed(range(len(detections))):
        color_rgb = class_color_rgb(int(detections.class_ids[index]))
        text = f'{detections.labels[index]} {detections.scores[index]:.2f}'
        corners = np.rint(detections.boxes_xyxy[index]).astype(int)
        draw_box(canvas, corners, text, color_rgb=color_rgb, scale=scale)
    return canvas


def draw_box(
    canvas: NDArray[np.uint8],
    corners_xyxy: NDArray[np.int64],
    text: str,
    *,
    color_rgb: tuple[int, int, int],
    scale: float,
) -> None:
    """
    Draw one box on the canvas; its label stands inside the image, at the top of the box.

    :param canvas: (H, W, 3) uint8, RGB; is drawn on
    :param corners_xyxy: (4,) px
    :param text: the label
    :param color_rgb: of the box
    :param scale: of letters and lines; 1 suits 700 px
    """
    x1, y1, x2, y2 = (int(edge) for edge in corners_xyxy)
    thickness = max(round(2 * scale), 1)
    # A light line under the coloured one: one of the two stands out on any background.
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), (255, 255, 255), thickness + 2)
    cv2.rectangle(canvas, (x1, y1), (x2 - 1, y2 - 1), color_rgb, thickness)
    width, height, baseline = measure_text(text, scale=scale, thickness=thickness)
    left = max(min(x1, canvas.shape[1] - width - 4), 0)
    top = max(y1 - height - baseline, 0)
    bottom = top + height + baseline
    cv2.rectangle(canvas, (left, top), (left + width + 4, bottom), color_rgb, cv2.FILLED)
    origin = (left + 2, bottom - baseline // 2 - 1)
    text_color = text_color_rgb(color_rgb)
    put_text(canvas, text, origin, color_rgb=text_color, scale=scale, thickness=thickness)
