"""
Which detection found which object: computed once, judged at any IoU threshold.

The devkit's rule (VOCevaldet.m): a detection belongs to the object of its class that it overlaps
most, taken or not; the best detection of an object is a hit, later ones are misses; one that
belongs to a difficult object does not count. The devkit counts pixels of boxes that include both
ends, width = x2 - x1 + 1. Boxes here are continuous with exclusive ends, (xmin - 1, ymin - 1,
xmax, ymax) of the XML, whose width is the same number: plain IoU is the devkit's overlap.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ssd_detector.boxes import areas, iou_matrix
from ssd_detector.detections import Detections
from ssd_detector.evaluation.ground_truths import GroundTruths

NONE = -1


@dataclass(frozen=True, eq=False)
class Objects:
    """
    The objects of all images, one after the other.

    :param image_indices: (G,) int64
    :param class_ids: (G,) int64
    :param is_difficult: (G,) bool
    :param areas_px2: (G,) float64
    """

    image_indices: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    is_difficult: NDArray[np.bool_]
    areas_px2: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Matching:
    """
    The detections of all images, by falling score, and the object that each overlaps most.

    :param image_ids: the images
    :param labels: C texts, the names of classes 1..C
    :param image_indices: (N,) int64
    :param class_ids: (N,) int64
    :param scores: (N,) float32, falling; equal ones in the order of images and detections
    :param areas_px2: (N,) float64
    :param positions: (N,) int64, index within the detections of the image
    :param own_objects: (N,) int64, the object of the same class that it overlaps most, or NONE
    :param own_ious: (N,) float64
    :param other_objects: (N,) int64, likewise among the objects of other classes that are not
        difficult
    :param other_ious: (N,) float64
    """

    image_ids: tuple[str, ...]
    labels: tuple[str, ...]
    objects: Objects
    image_indices: NDArray[np.int64]
    class_ids: NDArray[np.int64]
    scores: NDArray[np.float32]
    areas_px2: NDArray[np.float64]
    positions: NDArray[np.int64]
    own_objects: NDArray[np.int64]
    own_ious: NDArray[np.float64]
    other_objects: NDArray[np.int64]
    other_ious: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Judgement:
    """
    What became of each detection and object.

    :param iou_threshold: of a hit
    :param is_counted: (N,) bool; false for what belongs to a difficult object
    :param is_hit: (N,) bool
    :param num_objects: (C + 1,) int64, objects to find of each class
    """

    iou_threshold: float
    is_counted: NDArray[np.bool_]
    is_hit: NDArray[np.bool_]
    num_objects: NDArray[np.int64]


def match(
    detections: Mapping[str, Detections],
    ground_truths: Mapping[str, GroundTruths],
    labels: Sequence[str],
) -> Matching:
    """
    Compare every detection with the objects of its image; linear in the number of images.

    :param detections: image id -> detections
    :param ground_truths: image id -> objects
    :param labels: C texts
    """
    image_ids = tuple(ground_truths)
    truths = [ground_truths[image_id] for image_id in image_ids]
    found = [detections.get(image_id) or Detections.empty() for image_id in image_ids]
    first_objects = np.cumsum([0, *(len(truth.class_ids) for truth in truths)])
    rows = [
        _match_image(of_image, truth, int(first))
        for of_image, truth, first in zip(found, truths, first_objects, strict=False)
    ]
    own_objects, own_ious, other_objects, other_ious = (
        np.concatenate(columns) for columns in zip(*rows, strict=True)
    )
    scores = np.concatenate([of_image.scores for of_image in found])
    boxes_xyxy = np.concatenate([of_image.boxes_xyxy for of_image in found])
    order = np.argsort(-scores, kind='stable')
    counts = [len(of_image) for of_image in found]
    return Matching(
        image_ids=image_ids,
        labels=tuple(labels),
        objects=_collect_objects(truths),
        image_indices=np.repeat(np.arange(len(found)), counts)[order],
        class_ids=np.concatenate([of_image.class_ids for of_image in found])[order],
        scores=scores[order],
        areas_px2=areas(boxes_xyxy.astype(np.float64))[order],
        positions=np.concatenate([np.arange(count) for count in counts])[order],
        own_objects=own_objects[order],
        own_ious=own_ious[order],
        other_objects=other_objects[order],
        other_ious=other_ious[order],
    )


def judge(
    matching: Matching, iou_threshold: float, *, is_ignored: NDArray[np.bool_] | None = None
) -> Judgement:
    """
    Decide which detections hit at a threshold.

    :param matching: from match
    :param iou_threshold: a hit overlaps its object at least so much
    :param is_ignored: (G,) bool, objects that are neither hit nor miss; the difficult ones if None
    """
    objects = matching.objects
    if is_ignored is None:
        is_ignored = objects.is_difficult
    overlaps = (matching.own_objects != NONE) & (matching.own_ious >= iou_threshold)
    is_counted = np.ones(len(matching.scores), bool)
    is_counted[overlaps] = ~is_ignored[matching.own_objects[overlaps]]
    candidates = np.flatnonzero(overlaps & is_counted)
    # Detections stand by falling score: the first of an object is its best.
    _, best = np.unique(matching.own_objects[candidates], return_index=True)
    is_hit = np.zeros(len(matching.scores), bool)
    is_hit[candidates[best]] = True
    num_objects = np.bincount(
        objects.class_ids[~is_ignored], minlength=len(matching.labels) + 1
    ).astype(np.int64)
    return Judgement(iou_threshold, is_counted, is_hit, num_objects)


def _collect_objects(truths: Sequence[GroundTruths]) -> Objects:
    boxes_xyxy = np.concatenate([truth.boxes_xyxy for truth in truths]).astype(np.float64)
    return Objects(
        image_indices=np.repeat(np.arange(len(truths)), [len(t.class_ids) for t in truths]),
        class_ids=np.concatenate([truth.class_ids for truth in truths]),
        is_difficult=np.concatenate([truth.is_difficult for truth in truths]),
        areas_px2=areas(boxes_xyxy),
    )


def _match_image(
    found: Detections, truth: GroundTruths, first_object: int
) -> tuple[NDArray[np.int64], NDArray[np.float64], NDArray[np.int64], NDArray[np.float64]]:
    count = len(found)
    if not len(truth.class_ids) or not count:
        nothing = np.full(count, NONE), np.zeros(count)
        return (*nothing, *nothing)
    ious = iou_matrix(found.boxes_xyxy.astype(np.float64), truth.boxes_xyxy.astype(np.float64))
    is_own = found.class_ids[:, None] == truth.class_ids[None]
    own = _best(np.where(is_own, ious, NONE), first_object)
    other = _best(np.where(is_own | truth.is_difficult, NONE, ious), first_object)
    return (*own, *other)


def _best(
    ious: NDArray[np.float64], first_object: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    # NONE is below every IoU: it is found only where nothing else stands.
    best = np.argmax(ious, axis=1)
    best_ious = ious[np.arange(len(ious)), best]
    return np.where(best_ious == NONE, NONE, best + first_object), np.maximum(best_ious, 0)
