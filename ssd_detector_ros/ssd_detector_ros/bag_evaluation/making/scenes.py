"""Annotated images of any origin, as recordings are made of them."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Objects:
    """
    The annotated objects of an image.

    :param boxes_xyxy: (G, 4) float64, px, continuous
    :param labels: G texts
    :param is_difficult: (G,) bool; such an object is neither hit nor miss
    """

    boxes_xyxy: NDArray[np.float64]
    labels: tuple[str, ...]
    is_difficult: NDArray[np.bool_]

    @classmethod
    def empty(cls) -> 'Objects':
        """Return no objects."""
        return cls(np.zeros((0, 4)), (), np.zeros(0, bool))

    def select(self, mask: NDArray[np.bool_]) -> 'Objects':
        """
        Take some of the objects.

        :param mask: (G,) bool
        :return: these
        """
        labels = tuple(label for label, keep in zip(self.labels, mask, strict=True) if keep)
        return Objects(self.boxes_xyxy[mask], labels, self.is_difficult[mask])


@dataclass(frozen=True, eq=False)
class Scene:
    """
    An image with what was annotated in it.

    :param name: of the image
    :param load: gives (H, W, 3) uint8, RGB
    :param objects: None where nobody annotated
    """

    name: str
    load: Callable[[], NDArray[np.uint8]]
    objects: Objects | None
