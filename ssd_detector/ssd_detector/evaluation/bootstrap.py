"""Whether one result is better than another: a paired bootstrap over the images."""

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from ssd_detector.errors import EvaluationError
from ssd_detector.evaluation.matching import judge, Matching
from ssd_detector.evaluation.voc import average_precision, Interpolation

Verdict = Literal['better', 'worse', 'can not be told apart']


@dataclass(frozen=True)
class PairedBootstrap:
    """
    The second result against the first.

    :param first: mAP
    :param second: mAP
    :param low: of the interval of second - first
    :param high: likewise
    :param confidence: share of the resamples that the interval covers
    :param num_resamples: drawn
    :param seed: of the drawing
    """

    first: float
    second: float
    low: float
    high: float
    confidence: float
    num_resamples: int
    seed: int

    @property
    def difference(self) -> float:
        """Give the second less the first."""
        return self.second - self.first

    @property
    def verdict(self) -> Verdict:
        """Say what the second is, measured by the first: an interval with 0 tells nothing."""
        if self.low > 0:
            return 'better'
        return 'worse' if self.high < 0 else 'can not be told apart'


@dataclass(frozen=True, eq=False)
class _Ranking:
    """
    The counted detections of one result, class by class, by falling score.

    :param image_indices: (N,) int64
    :param hits: (H,) int64, which of them hit
    :param hit_ends: (C,) int64, hits up to and with each class
    :param ends: (C,) int64, detections up to and with each class
    """

    image_indices: NDArray[np.int64]
    hits: NDArray[np.int64]
    hit_ends: NDArray[np.int64]
    ends: NDArray[np.int64]


def compare(
    first: Matching,
    second: Matching,
    *,
    iou_threshold: float = 0.5,
    interpolation: Interpolation = '11point',
    num_resamples: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> PairedBootstrap:
    """
    Draw as many images as there are, with replacement, and score both results on them, again.

    :param first: from match
    :param second: likewise, of the same images, objects and labels
    :param iou_threshold: of a hit
    :param interpolation: 11point or area
    :param num_resamples: how often
    :param confidence: share of the differences that lie in the interval, between percentiles
    :param seed: of the drawing
    :raises EvaluationError: when the two were not scored on the same
    """
    _check_same(first, second)
    num_images, num_classes = len(first.image_ids), len(first.labels)
    to_find = ~first.objects.is_difficult
    cells = first.objects.class_ids[to_find] - 1
    images = first.objects.image_indices[to_find]
    rankings = [_rank(matching, iou_threshold) for matching in (first, second)]

    def score(weights: NDArray[np.int64]) -> tuple[float, float]:
        num_objects = np.bincount(cells, weights[images], num_classes).astype(np.float64)
        a, b = (_mean_ap(ranking, weights, num_objects, interpolation) for ranking in rankings)
        return a, b

    rng = np.random.default_rng(seed)
    differences = []
    for _ in range(num_resamples):
        drawn = rng.integers(num_images, size=num_images)
        a, b = score(np.bincount(drawn, minlength=num_images))
        differences.append(b - a)
    # A resample may hold no object at all; it says nothing.
    margin = (1 - confidence) / 2
    low, high = np.nanquantile(differences, [margin, 1 - margin])
    whole_first, whole_second = score(np.ones(num_images, np.int64))
    return PairedBootstrap(
        first=whole_first,
        second=whole_second,
        low=float(low),
        high=float(high),
        confidence=confidence,
        num_resamples=num_resamples,
        seed=seed,
    )


def _check_same(first: Matching, second: Matching) -> None:
    findings = []
    if first.labels != second.labels:
        findings.append(
            f'labels: {", ".join(first.labels)} against {", ".join(second.labels)}; '
            f'compare results with one class list'
        )
    if first.image_ids != second.image_ids:
        findings.append(
            f'images: {len(first.image_ids)} against {len(second.image_ids)}, of which '
            f'{len(set(first.image_ids) & set(second.image_ids))} are the same; '
            f'compare results on one split, in one order'
        )
    elif not _same_objects(first, second):
        findings.append('objects: not the same in both; compare results with one ground truth')
    if findings:
        raise EvaluationError(findings)


def _same_objects(first: Matching, second: Matching) -> bool:
    a, b = first.objects, second.objects
    return (
        np.array_equal(a.image_indices, b.image_indices)
        and np.array_equal(a.class_ids, b.class_ids)
        and np.array_equal(a.is_difficult, b.is_difficult)
        and np.array_equal(a.areas_px2, b.areas_px2)
    )


def _rank(matching: Matching, iou_threshold: float) -> _Ranking:
    judgement = judge(matching, iou_threshold)
    counted = np.flatnonzero(judgement.is_counted)
    order = counted[np.argsort(matching.class_ids[counted], kind='stable')]
    classes = np.arange(1, len(matching.labels) + 1)
    ends = np.searchsorted(matching.class_ids[order], classes, side='right')
    hits = np.flatnonzero(judgement.is_hit[order])
    return _Ranking(
        matching.image_indices[order], hits, np.searchsorted(hits, ends), ends.astype(np.int64)
    )


def _mean_ap(
    ranking: _Ranking,
    weights: NDArray[np.int64],
    num_objects: NDArray[np.float64],
    interpolation: Interpolation,
) -> float:
    """
    Score a resample; an image that was drawn k times counts k times.

    Precision has its peaks at hits, so that only they are looked at; the copies of a hit before
    its last have a lower precision than that one, and change nothing.
    """
    drawn = weights.astype(np.int32)[ranking.image_indices]
    before = np.concatenate([[0], np.cumsum(drawn, dtype=np.int32)])
    cumulated_hits = np.concatenate([[0], np.cumsum(drawn[ranking.hits])])
    aps = []
    start, hit_start = 0, 0
    for class_index, (end, hit_end) in enumerate(zip(ranking.ends, ranking.hit_ends, strict=True)):
        if num_objects[class_index]:
            members = slice(hit_start, hit_end)
            found = cumulated_hits[hit_start + 1 : hit_end + 1] - cumulated_hits[hit_start]
            total = before[ranking.hits[members] + 1] - before[start]
            precision = found / np.maximum(total, 1)
            recall = found / num_objects[class_index]
            aps.append(average_precision(precision, recall, interpolation))
        start, hit_start = end, hit_end
    return float(np.mean(aps)) if aps else float('nan')
