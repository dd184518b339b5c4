"""
What an INT8 file has to give elsewhere: the same boxes, where one would be reported.

Another device rounds a sum near the middle of two levels the other way. What is compared is
therefore what the file gave where it was made, not the float network, and confident boxes alone.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector.backends.backend import RawOutputs

# Scores from here on count as reported.
_CONFIDENT = 0.5
_NUM_UNCONFIDENT = 20


@dataclass(frozen=True, eq=False)
class Int8Outputs:
    """
    What an INT8 file gave for the priors that would be reported.

    :param image_indices: (K,) int64, of the parity image
    :param prior_indices: (K,) int64
    :param boxes_normalized_xyxy: (K, 4) float32
    :param scores: (K, C + 1) float32
    """

    image_indices: NDArray[np.int64]
    prior_indices: NDArray[np.int64]
    boxes_normalized_xyxy: NDArray[np.float32]
    scores: NDArray[np.float32]


def select_int8_outputs(
    boxes_normalized_xyxy: NDArray[np.float32], scores: NDArray[np.float32]
) -> Int8Outputs:
    """
    Keep what of the outputs of an INT8 file has to be the same elsewhere.

    :param boxes_normalized_xyxy: (N, P, 4) float32
    :param scores: (N, P, C + 1) float32
    :return: those of confident priors
    """
    is_kept = select_confident(scores)
    image_indices, prior_indices = np.nonzero(is_kept)
    return Int8Outputs(
        image_indices, prior_indices, boxes_normalized_xyxy[is_kept], scores[is_kept]
    )


def select_confident(scores: NDArray[np.float32]) -> NDArray[np.bool_]:
    """
    Mark the priors that would be reported.

    :param scores: (N, P, C + 1) float32
    :return: (N, P), a score of 0.5 or more; where none has it (a network that learned nothing),
        the 20 best of each image
    """
    best = scores[..., 1:].max(axis=-1)
    is_confident: NDArray[np.bool_] = best >= _CONFIDENT
    if not is_confident.any():
        # The 20th best of each image, or its worst where there are fewer priors.
        is_confident = best >= np.sort(best, axis=1)[:, -_NUM_UNCONFIDENT:][:, :1]
    return is_confident


def measure_int8_difference(
    outputs: RawOutputs, expected: Int8Outputs, size_px: int
) -> tuple[float, float]:
    """
    Measure how far outputs are from those of an INT8 file.

    :param outputs: for all parity images
    :param expected: of the file
    :param size_px: side of the model's input
    :return: largest shift of an edge, px of the model's input; largest change of a score, also
        where a prior became confident that was not
    """
    boxes, scores = outputs
    rows = expected.image_indices, expected.prior_indices
    shift = np.abs(boxes[rows] - expected.boxes_normalized_xyxy).max()
    change = np.abs(scores[rows] - expected.scores).max()
    others = scores[..., 1:].max(axis=-1)
    others[rows] = 0.0
    return float(size_px * shift), float(max(change, others.max() - _CONFIDENT))
