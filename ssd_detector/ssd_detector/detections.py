"""Detections: what a detector finds in one image."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, eq=False)
class Detections:
    """
    The objects found in one image, sorted by falling score.

    :param boxes_xyxy: (N, 4) float32, px of the original image; x2 and y2 are exclusive edges
    :param scores: (N,) float32, in [0, 1]
    :param class_ids: (N,) int64, from 1; 0 is the background and never appears
    :param labels: N texts, the names of class_ids
    :raises ValueError: when shapes do not belong together
    """

    boxes_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]
    class_ids: NDArray[np.int64]
    labels: list[str]

    def __post_init__(self) -> None:
        count = len(self.scores)
        shapes = (self.boxes_xyxy.shape, self.scores.shape, self.class_ids.shape, len(self.labels))
        if shapes != ((count, 4), (count,), (count,), count):
            raise ValueError(
                f'boxes_xyxy, scores, class_ids, labels have shapes {shapes}; '
                f'expected (N, 4), (N,), (N,), N'
            )

    def __len__(self) -> int:
        return len(self.scores)

    @classmethod
    def empty(cls) -> 'Detections':
        """Return no detections, with the right shapes and dtypes."""
        return cls(
            boxes_xyxy=np.zeros((0, 4), np.float32),
            scores=np.zeros(0, np.float32),
            class_ids=np.zeros(0, np.int64),
            labels=[],
        )
