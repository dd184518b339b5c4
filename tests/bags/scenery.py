"""Small recordings whose right answers are known, for the detector of tiny_bundle."""

from pathlib import Path

import numpy as np

from ssd_detector_ros.bag_evaluation.making.making import Layout, make_recording
from ssd_detector_ros.bag_evaluation.making.scenes import Objects, Scene
from tests.tiny_bundle import BOXES_NORMALIZED_XYXY, LABELS

SIZE_WH = (64, 48)
COLORS = np.eye(3, dtype=np.uint8) * 255


def colored_scene(class_index, *, boxes=True, size_wh=SIZE_WH, difficult=False):
    """Make a plain image in which the tiny detector finds its class, and only there."""
    image_rgb = np.full((size_wh[1], size_wh[0], 3), COLORS[class_index], np.uint8)
    box = np.clip(BOXES_NORMALIZED_XYXY[class_index], 0, 1) * np.tile(size_wh, 2)
    objects = Objects(box[None].astype(float), (LABELS[class_index],), np.array([difficult]))
    return Scene(str(class_index), lambda: image_rgb, objects if boxes else None)


def write_colored(path: Path, classes=(0, 1, 2, 0, 1, 2), layout=Layout(), **options) -> Path:  # noqa: B008
    """Write a recording of one colour a frame."""
    make_recording(
        [colored_scene(class_index, **options) for class_index in classes], path, layout
    )
    return path
