"""Where in the image the detector looks, and where it looks away."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
import math

import numpy as np
from numpy.typing import NDArray

from ssd_detector.errors import ConfigError
from ssd_detector.printable import shown

Polygon = tuple[tuple[float, float], ...]
WHOLE_IMAGE = (0.0, 0.0, 1.0, 1.0)
# Each frame goes through all of them.
MAX_POLYGONS = 32
MAX_CORNERS = 256


@dataclass(frozen=True)
class Window:
    """A rectangle of whole pixels inside an image; x2 and y2 are exclusive."""

    x1: int
    y1: int
    x2: int
    y2: int

    @property
    def size_wh(self) -> tuple[int, int]:
        """Width and height, px."""
        return self.x2 - self.x1, self.y2 - self.y1

    def crop(self, image: NDArray[np.uint8]) -> NDArray[np.uint8]:
        """
        Cut the window out.

        :param image: (H, W, 3)
        :return: a view
        """
        return image[self.y1 : self.y2, self.x1 : self.x2]


@dataclass(frozen=True)
class Regions:
    """
    Parts of the image, in shares of its width and height, so that they fit every resolution.

    :param region_of_interest: x1, y1, x2, y2; only this part of the image is given to the model
    :param ignore_polygons: corners (x, y); boxes whose centre lies in one are not reported; at
        most 32 of 256 corners
    :raises ConfigError: with a finding for everything that is wrong
    """

    region_of_interest: tuple[float, float, float, float] = WHOLE_IMAGE
    ignore_polygons: tuple[Polygon, ...] = ()

    def __post_init__(self) -> None:
        findings = [*self._check_region(), *self._check_polygons()]
        if findings:
            raise ConfigError(findings)

    def window(self, size_wh: tuple[int, int]) -> Window:
        """
        Find the pixels of the region of interest; at least one.

        :param size_wh: of the image, px
        :return: every pixel that the region touches
        """
        x1, y1, x2, y2 = self.region_of_interest
        width_px, height_px = size_wh
        left = min(math.floor(x1 * width_px), width_px - 1)
        top = min(math.floor(y1 * height_px), height_px - 1)
        right = min(max(math.ceil(x2 * width_px), left + 1), width_px)
        bottom = min(max(math.ceil(y2 * height_px), top + 1), height_px)
        return Window(left, top, right, bottom)

    def are_ignored(
        self, boxes_xyxy: NDArray[np.float32], size_wh: tuple[int, int]
    ) -> NDArray[np.bool_]:
        """
        Mark boxes whose centre lies in one of the polygons.

        :param boxes_xyxy: (N, 4) float32, px of the image
        :param size_wh: of the image, px
        :return: (N,) bool
        """
        centers = (boxes_xyxy[:, :2] + boxes_xyxy[:, 2:]) / 2 / np.array(size_wh, np.float32)
        ignored = np.zeros(len(boxes_xyxy), bool)
        for polygon in self._polygons:
            ignored |= _are_inside(centers, polygon)
        return ignored

    @cached_property
    def _polygons(self) -> list[NDArray[np.float32]]:
        return [np.array(polygon, np.float32) for polygon in self.ignore_polygons]

    def _check_region(self) -> Iterator[str]:
        x1, y1, x2, y2 = self.region_of_interest
        if not (0 <= x1 < x2 <= 1 and 0 <= y1 < y2 <= 1):
            yield (
                f'region_of_interest: {list(self.region_of_interest)} is no part of the image; '
                f'expected [x1, y1, x2, y2] with 0.0 <= x1 < x2 <= 1.0, 0.0 <= y1 < y2 <= 1.0'
            )

    def _check_polygons(self) -> Iterator[str]:
        if len(self.ignore_polygons) > MAX_POLYGONS:
            yield (
                f'ignore_polygons: received {len(self.ignore_polygons)}; expected at most '
                f'{MAX_POLYGONS}'
            )
        for polygon in self.ignore_polygons:
            if not 3 <= len(polygon) <= MAX_CORNERS:
                yield (
                    f'ignore_polygons: {shown(polygon)} has {len(polygon)} corners; expected 3 or '
                    f'more, and at most {MAX_CORNERS}'
                )
            if not all(0 <= share <= 1 for corner in polygon for share in corner):
                yield (
                    f'ignore_polygons: {shown(polygon)} leaves the image; expected shares in '
                    f'[0.0, 1.0]'
                )


def _are_inside(points: NDArray[np.floating], polygon: NDArray[np.floating]) -> NDArray[np.bool_]:
    """Count how many edges a ray to the right crosses; odd is inside."""
    x, y = points.T[..., None]
    (x1, y1), (x2, y2) = polygon.T, np.roll(polygon, -1, axis=0).T
    # A corner at the ray's height counts as above it: to pass one is one crossing, not two. Of a
    # level edge no ray is above one end and not above the other.
    passes = (y1 <= y) != (y2 <= y)
    height = np.where(y1 == y2, 1, y2 - y1)
    crosses = passes & (x < x1 + (y - y1) / height * (x2 - x1))
    inside: NDArray[np.bool_] = np.logical_xor.reduce(crosses, axis=1)
    return inside
