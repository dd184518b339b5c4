"""The few images that stages are compared on, and drawn ones where there are no photographs."""

import logging

import cv2
import numpy as np
from numpy.typing import NDArray

from ssd_training.data.datasets import read_split
from ssd_training.deploy.calibration import load_images, sample_balanced
from ssd_training.errors import DataError
from ssd_training.experiments.schema import ExperimentConfig

_NUM_IMAGES = 4
_SEED = 0

logger = logging.getLogger(__name__)


def read_sample(config: ExperimentConfig) -> list[NDArray[np.uint8]]:
    """
    Read a few real images to validate with; coloured clouds where there is no data set.

    :param config: the experiment
    :return: each (H, W, 3) uint8
    """
    try:
        records = read_split(config.data, config.data.val_split)
        sample = sample_balanced(records, _NUM_IMAGES, _SEED)
        return load_images([record.image for record in sample])
    except DataError as error:
        logger.warning('no photographs, so drawn images: %s', error.findings[0])
        return [draw_image(config.input_size[0], seed) for seed in range(_NUM_IMAGES)]


def draw_image(size_px: int, seed: int) -> NDArray[np.uint8]:
    """
    Draw coloured clouds.

    :param size_px: side
    :param seed: of the drawing
    :return: (S, S, 3) uint8
    """
    coarse = np.random.default_rng(seed).integers(0, 256, (9, 9, 3)).astype(np.uint8)
    return cv2.resize(coarse, (size_px, size_px), interpolation=cv2.INTER_LINEAR).astype(np.uint8)
