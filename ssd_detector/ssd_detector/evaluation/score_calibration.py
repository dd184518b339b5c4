"""Whether a score is a probability: precision against score, in bins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector.evaluation.matching import Judgement, Matching

_NUM_BINS = 10


@dataclass(frozen=True, eq=False)
class Calibration:
    """
    Detections by score, in K bins of equal width; NaN in an empty bin.

    :param edges: (K + 1,) float64, from 0 to 1; a bin holds its lower edge, the last one both
    :param num_detections: (K,) int64
    :param mean_scores: (K,) float64
    :param precision: (K,) float64, share of the detections that hit
    :param expected_error: mean of abs(precision - mean score), weighted by the detections (ECE,
        arXiv:1706.04599, equation 3); NaN without detections
    """

    edges: NDArray[np.float64]
    num_detections: NDArray[np.int64]
    mean_scores: NDArray[np.float64]
    precision: NDArray[np.float64]
    expected_error: float


def calibrate(matching: Matching, judgement: Judgement) -> Calibration:
    """
    Compare scores with precision.

    :param matching: from match
    :param judgement: from judge; detections of difficult objects do not count
    """
    scores = matching.scores[judgement.is_counted].astype(np.float64)
    is_hit = judgement.is_hit[judgement.is_counted]
    edges = np.linspace(0, 1, _NUM_BINS + 1)
    bins = np.minimum(np.searchsorted(edges, scores, side='right') - 1, _NUM_BINS - 1)
    counts = np.bincount(bins, minlength=_NUM_BINS)
    sums = np.stack([np.bincount(bins, weights, _NUM_BINS) for weights in (scores, is_hit)])
    # Without detections bincount gives integers, which have no NaN.
    sums = sums.astype(np.float64)
    means = np.divide(sums, counts, out=np.full_like(sums, np.nan), where=counts > 0)
    error = np.abs(sums[0] - sums[1]).sum() / len(scores) if len(scores) else np.nan
    return Calibration(edges, counts.astype(np.int64), means[0], means[1], float(error))
