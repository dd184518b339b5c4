"""Pictures that show the same scene: a split must not part them."""

from collections.abc import Sequence
import re

import cv2
import numpy as np
from numpy.typing import NDArray

_SIDE = 16
BITS = _SIDE * _SIDE
# Of 256. Among the ten million pairs of VOC2007's photographs the nearest differs in 22; at 16,
# 97 % of copies as JPEG of quality 40, 99 % of half the size and 92 % of 15 % brighter ones are
# found.
MAX_DISTANCE = 16
_ROWS = 1024
# Roboflow calls the copies that it made of one picture NAME.rf.HASH.jpg.
_COPY = re.compile(r'\.rf\.[0-9a-zA-Z]+$')


def hash_scene(image_rgb: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """
    Describe a picture so that re-encoded, resized and slightly changed copies are alike.

    The signs of the differences of neighbouring cells ("dHash", N. Krawetz, Kind of Like That,
    hackerfactor.com, 2013), on 16 rows of 17 cells.

    :param image_rgb: (H, W, 3)
    :return: (256,) bool
    """
    gray = cv2.cvtColor(image_rgb, cv2.COLOR_RGB2GRAY)
    cells = cv2.resize(gray, (_SIDE + 1, _SIDE), interpolation=cv2.INTER_AREA).astype(np.int16)
    return np.asarray(cells[:, 1:] > cells[:, :-1]).ravel()


def group_scenes(hashes: Sequence[NDArray[np.bool_]], stems: Sequence[str]) -> list[int]:
    """
    Find out which pictures show the same scene.

    :param hashes: from hash_scene
    :param stems: file names without suffix; copies that Roboflow made of one picture are known
        by them
    :return: number of the group of each picture: the index of its first member
    """
    groups = np.arange(len(hashes))
    first: dict[str, int] = {}
    for index, stem in enumerate(stems):
        if _COPY.search(stem):
            _join(groups, np.array([index, first.setdefault(_COPY.sub('', stem), index)]))
    # As +1 and -1 the product of two hashes is 256 less twice the bits that differ.
    signs = np.array(hashes, np.float32).reshape(-1, BITS) * 2 - 1
    for start in range(0, len(signs), _ROWS):
        is_near = (BITS - signs[start : start + _ROWS] @ signs.T) / 2 <= MAX_DISTANCE
        for row in is_near:
            _join(groups, np.flatnonzero(row))
    return [int(group) for group in groups]


def _join(groups: NDArray[np.int64], members: NDArray[np.int64]) -> None:
    """Make one group, called by its first member, of those that have a member here."""
    found = np.unique(groups[members])
    if len(found) > 1:
        groups[np.isin(groups, found)] = found[0]
