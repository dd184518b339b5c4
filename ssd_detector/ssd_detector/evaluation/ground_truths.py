"""GroundTruths: what people annotated in one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class GroundTruths:
    """
    The objects annotated in one image.

    :param boxes_xyxy: (G, 4) float32, px, continuous: (xmin - 1, ymin - 1, xmax, ymax) of the XML
    :param class_ids: (G,) int64, from 1
    :param is_difficult: (G,) bool; such an object is neither hit nor miss
    :raises ValueError: when shapes do not belong together
    """

    boxes_xyxy: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    is_difficult: NDArray[np.bool_]

    def __post_init__(self) -> None:
        count = len(self.class_ids)
        shapes = (self.boxes_xyxy.shape, self.class_ids.shape, self.is_difficult.shape)
        if shapes != ((count, 4), (count,), (count,)):
            raise ValueError(
                f'boxes_xyxy, class_ids, is_difficult have shapes {shapes}; '
                f'expected (G, 4), (G,), (G,)'
            )
